import NIOCore
import NIOPosix
import PetalsNode
import PlumiseTesting
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

  @Test("A peer that accepts and says nothing is named when its time is up")
  func silentPeer() async throws {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let peer = try PeerAddress(host: "127.0.0.1", port: #require(listener.localAddress?.port))
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
    try await listener.close()
  }
}
