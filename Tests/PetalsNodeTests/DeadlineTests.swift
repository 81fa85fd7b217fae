import MockServing
import NIOCore
import NIOPosix
import PetalsNode
import PlumiseTesting
import Synchronization
import Testing

@Suite("Deadlines of calls to peers", .timeLimit(.minutes(5)))
struct DeadlineTests {
  @Test("A stretch is overdue at its limit, and one that ended is not")
  func watch() async throws {
    let clock = ManualClock()
    let watch = TimeWatch(limit: .seconds(7), clock: clock)
    let overdue = Task { try await watch.overdue() }
    try await clock.waitForSleeper(until: .seconds(7))
    clock.advance(by: .seconds(5))
    watch.begin()
    watch.end()
    clock.advance(by: .seconds(2))
    // Nothing runs at 7 s: it looks again at 14 s, when what began at 10 s has 3 s left.
    try await clock.waitForSleeper(until: .seconds(14))
    clock.advance(by: .seconds(3))
    watch.begin()
    clock.advance(by: .seconds(4))
    try await clock.waitForSleeper(until: .seconds(17))
    clock.advance(by: .seconds(3))
    try await overdue.value
  }

  @Test("A sleep ends at its time, however far the clock moves before it begins")
  func movedMeanwhile() async throws {
    let clock = MovingClock()
    let watch = TimeWatch(limit: .seconds(100), clock: clock)
    watch.begin()
    await #expect(throws: CancellationError.self) { try await watch.overdue() }
    // The first reading made the watch, the second began the stretch.
    #expect(clock.deadlines.entries == [.init(offset: .seconds(102))])
  }

  @Test("A peer that accepts and says nothing is named when its time is up")
  func silentPeer() async throws {
    try await withSilentPeer { peer in
      let clock = ManualClock()
      let limits = TransportLimits(connect: .seconds(3))
      try await withGRPCTransports([peer], limits: limits, clock: clock) { peers in
        let asked = Task { try await peers[0].info() }
        try await clock.waitForSleeper(until: .seconds(3))
        clock.advance(by: .seconds(3))
        let error = await #expect(throws: NodeError.self) { try await asked.value }
        #expect(error?.code == .deadlineExceeded)
        #expect(error?.peer == peer.description)
      }
    }
  }

  @Test("A call that is given up before it began to connect waits for nothing")
  func givenUpAtOnce() async throws {
    try await withSilentPeer { peer in
      try await withGRPCTransports([peer], clock: ManualClock()) { peers in
        // The first come before the transport runs, one finds it idle, the rest find it connecting.
        for _ in 0..<1000 {
          let asked = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await peers[0].info()
          }
          await #expect(throws: CancellationError.self) { try await asked.value }
        }
      }
    }
  }

  /// Runs a body with the address of a peer that accepts connections and says nothing.
  private func withSilentPeer(_ body: (PeerAddress) async throws -> Void) async throws {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    try await body(
      PeerAddress(host: "127.0.0.1", port: #require(listener.localAddress?.port)))
    try await listener.close()
  }
}

/// A clock that moves by a second whenever it is read, and ends the first sleep by a cancellation.
private final class MovingClock: Clock {
  typealias Instant = ManualClock.Instant

  let deadlines = Journal<Instant>()
  private let readings = Mutex(0)

  var now: Instant {
    readings.withLock {
      $0 += 1
      return Instant(offset: .seconds($0))
    }
  }

  var minimumResolution: Duration { .zero }

  func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    deadlines.record(deadline)
    throw CancellationError()
  }
}
