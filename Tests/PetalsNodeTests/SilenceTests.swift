import Bloom
import GRPCCore
import GRPCNIOTransportHTTP2
import MockServing
import NIOCore
import NIOPosix
import PetalsNode
import PipelineRPC
import PlumiseTesting
import Synchronization
import TestSupport
import Testing

@Suite("Peers that give no sign of life", .timeLimit(.minutes(5)))
struct SilenceTests {
  /// What is expected of a peer when it falls silent.
  enum Work: String, CaseIterable, Sendable {
    case step
    case forward
    case backward

    /// Does it through a transport, with `[1, 64]` each way.
    func run(_ peer: GRPCTransport, _ model: TinyModel) async throws -> HiddenStates {
      let hidden = try model.hidden("case2.embeddings").slice(0..<1)
      switch self {
      case .step:
        let session = try await peer.openSession(model.opening(0..<12, length: 4))
        let answer = try await session.step(hidden)
        session.cancel()
        return answer.hidden
      case .forward: return try await peer.forward(hidden, through: model.served(0..<12))
      case .backward:
        return try await peer.backward(
          input: hidden, outputGradient: hidden, through: model.served(0..<12))
      }
    }
  }

  let model: TinyModel
  /// Asked after 3 s, given up after 9 s, long before any other limit.
  private static let limits = TransportLimits(
    connect: .seconds(7200), request: .seconds(3600), step: .seconds(3600), silence: .seconds(9))

  init() throws { model = try TinyModel() }

  @Test(
    "A peer that answers what it is asked has all the time of its work", arguments: Work.allCases)
  func busy(work: Work) async throws {
    let peer = BusyPeer()
    try await withGRPCServer(peer, release: { peer.gate.record(true) }) { address in
      let clock = ManualClock()
      try await withGRPCTransports([address], limits: Self.limits, clock: clock) { peers in
        let task = Task { try await work.run(peers[0], model) }
        _ = try await peer.begun.next()
        // Each sign of life comes 4 s after the one before: the next sleep ends 3 s after it.
        for sign in 1...20 {
          clock.advance(by: .seconds(4))
          try await peer.asked.wait(forCount: sign)
          try await clock.waitForSleeper(until: .seconds(4 * sign + 3))
        }
        peer.gate.record(true)
        let answer = try await task.value
        #expect(answer.tokens == 1)
        #expect(peer.asked.entries.count == 20)
      }
    }
  }

  @Test("A peer that does not answer is given up when its time is up", arguments: Work.allCases)
  func silent(work: Work) async throws {
    let peer = BusyPeer(answersInfo: false)
    try await withGRPCServer(peer, release: { peer.gate.record(true) }) { address in
      let clock = ManualClock()
      try await withGRPCTransports([address], limits: Self.limits, clock: clock) { peers in
        let task = Task { try await work.run(peers[0], model) }
        let error = await #expect(throws: NodeError.self) {
          try await endsInTime(
            butCame: "\(clock.deadlines) is slept until", release: { peer.gate.record(true) }
          ) {
            _ = try await peer.begun.next()
            clock.advance(by: .seconds(3))
            _ = try await peer.asked.next()
            try await clock.waitForSleeper(until: .seconds(9))
            clock.advance(by: .seconds(6))
            _ = try await task.value
          }
        }
        #expect(error?.code == .deadlineExceeded)
        #expect(error?.peer == address.description)
        #expect(error?.message == "it gave no sign of life within 9.0 seconds")
        // The next call goes over another connection: the old one leads to nobody.
        try await expectNewConnection(of: peers[0], to: peer)
      }
    }
  }

  @Test("A peer that falls silent between two steps is noticed once it is asked for one")
  func laterStep() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withFaultyLink(to: nodes[0].boundAddress) { link in
        let clock = ManualClock()
        try await withGRPCTransports([link.peer], limits: Self.limits, clock: clock) { peers in
          let hidden = try model.hidden("case2.embeddings")
          let session = try await peers[0].openSession(model.opening(0..<12, length: 4))
          _ = try await session.step(hidden.slice(0..<1))
          // A session in which nothing is expected may last as long as it likes.
          for rest in 1...10 {
            try await clock.waitForSleeper(until: .seconds(3 * rest))
            clock.advance(by: .seconds(3))
          }
          _ = try await session.step(hidden.slice(1..<2))
          link.hold()
          let step = Task { try await session.step(hidden.slice(2..<3)) }
          try await link.waitUntilHolding()
          try await clock.waitForSleeper(until: .seconds(33))
          clock.advance(by: .seconds(3))
          try await clock.waitForSleeper(until: .seconds(39))
          clock.advance(by: .seconds(6))
          let error = await #expect(throws: NodeError.self) { try await step.value }
          #expect(error?.message == "it gave no sign of life within 9.0 seconds")
        }
      }
    }
  }

  @Test("A peer that is silent at the end of a session holds nothing up")
  func silentEnd() async throws {
    let peer = BusyPeer(answersInfo: false)
    try await withGRPCServer(peer, release: { peer.gate.record(true) }) { address in
      let clock = ManualClock()
      try await withGRPCTransports([address], limits: Self.limits, clock: clock) { peers in
        let session = try await peers[0].openSession(model.opening(0..<12, length: 4))
        session.cancel()
        // It does not end its stream either: it is asked, and then given up.
        clock.advance(by: .seconds(3))
        _ = try await peer.asked.next()
        try await clock.waitForSleeper(until: .seconds(9))
        clock.advance(by: .seconds(6))
        try await expectNewConnection(of: peers[0], to: peer)
      }
    }
  }

  /// Asks until a question comes over another connection than the first: the client notices in its
  /// own time that its peer is lost.
  private func expectNewConnection(of client: GRPCTransport, to peer: BusyPeer) async throws {
    let first = try await peer.asked.next()
    while peer.asked.entries.allSatisfy({ $0 == first }) {
      let count = peer.asked.count
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await peer.asked.wait(forCount: count + 1) }
        // A question over the lost connection fails when that one is closed, and never arrives.
        group.addTask { _ = try? await client.info() }
        defer { group.cancelAll() }
        try await group.next()
      }
    }
  }
}

/// A node that takes everything and computes until it is told to answer.
private final class BusyPeer: Plumise_Petals_PetalsNode.SimpleServiceProtocol {
  let begun = Journal<Bool>()
  /// Whose connection each question came over.
  let asked = Journal<String>()
  let gate = Journal<Bool>()
  private let answersInfo: Bool

  init(answersInfo: Bool = true) { self.answersInfo = answersInfo }

  private func work(_ hidden: Plumise_Petals_Tensor) async throws -> Plumise_Petals_Tensor {
    begun.record(true)
    _ = try await gate.next()
    return hidden
  }

  func info(
    request: Plumise_Petals_InfoRequest, context: ServerContext
  ) async throws -> Plumise_Petals_InfoResponse {
    asked.record(context.remotePeer)
    if !answersInfo { _ = try await gate.next() }
    return Plumise_Petals_InfoResponse()
  }

  func forward(
    request: Plumise_Petals_ForwardRequest, context: ServerContext
  ) async throws -> Plumise_Petals_ForwardResponse {
    var response = Plumise_Petals_ForwardResponse()
    response.hiddenStates = try await work(request.hiddenStates)
    return response
  }

  func backward(
    request: Plumise_Petals_BackwardRequest, context: ServerContext
  ) async throws -> Plumise_Petals_BackwardResponse {
    var response = Plumise_Petals_BackwardResponse()
    response.inputGradient = try await work(request.hiddenStates)
    return response
  }

  func deliver(
    request: RPCAsyncSequence<Plumise_Petals_Delivery, any Error>,
    response: RPCWriter<Plumise_Petals_Delivered>, context: ServerContext
  ) async throws {
    for try await delivery in request { _ = try await work(delivery.step.hiddenStates) }
  }

  func session(
    request: RPCAsyncSequence<Plumise_Petals_SessionRequest, any Error>,
    response: RPCWriter<Plumise_Petals_SessionResponse>, context: ServerContext
  ) async throws {
    for try await message in request {
      var answer = Plumise_Petals_SessionResponse()
      switch message.kind {
      case .step(let step):
        answer.step.stepID = step.stepID
        answer.step.hiddenStates = try await work(step.hiddenStates)
      default: answer.opened.reservedBytes = 0
      }
      try await response.write(answer)
    }
    // Nor does it end when its client does.
    _ = try await gate.next()
  }
}

@Suite("Deadlines of calls to peers", .timeLimit(.minutes(5)))
struct DeadlineTests {
  @Test("A stretch is overdue at its limit, and one that ended is not")
  func watch() async throws {
    let clock = ManualClock()
    let watch = Watchdog(limit: .seconds(7), clock: clock)
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
    let watch = Watchdog(limit: .seconds(100), clock: clock)
    watch.begin()
    await #expect(throws: CancellationError.self) { try await watch.overdue() }
    // The first reading made the watch, the second began the stretch.
    #expect(clock.deadlines.entries == [.init(offset: .seconds(102))])
  }

  @Test("A peer that accepts and says nothing is named when its time is up")
  func silentPeer() async throws {
    try await withSilentPeer { peer, _ in
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
    try await withSilentPeer { peer, hangUp in
      try await withGRPCTransports([peer], clock: ManualClock()) { peers in
        // The first come before the transport runs, one finds it idle, the rest find it connecting.
        for _ in 0..<1000 {
          let asked = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await peers[0].info()
          }
          let error = await #expect(throws: (any Error).self) {
            try await endsInTime(butCame: "nothing, nor does the peer speak", release: hangUp) {
              try await asked.value
            }
          }
          guard error is CancellationError else { return }
        }
      }
    }
  }

  /// Runs a body with the address of a peer that accepts connections and says nothing, and with what
  /// ends all of its connections.
  private func withSilentPeer(
    _ body: (PeerAddress, @escaping @Sendable () async throws -> Void) async throws -> Void
  ) async throws {
    let accepted = Journal<any Channel>()
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        accepted.record(channel)
        return channel.eventLoop.makeSucceededVoidFuture()
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let address = try PeerAddress(
      host: "127.0.0.1", port: #require(listener.localAddress?.port))
    try await body(address) {
      for channel in [listener] + accepted.entries { channel.close(promise: nil) }
    }
    // A test that has failed has closed it.
    listener.close(promise: nil)
    _ = try await listener.closeFuture.get()
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

@Suite("Connections to peers", .timeLimit(.minutes(5)))
struct ConnectionTests {
  /// Nobody listens there.
  private let peer: PeerAddress

  private struct Refusal: Error {}

  init() throws { peer = try PeerAddress(host: "127.0.0.1", port: 1) }

  @Test("A body that ends before its connections began gives what it gives")
  func shortBody() async throws {
    for number in 0..<100 {
      let given = try await withGRPCTransports([peer, peer]) { _ in number }
      #expect(given == number)
    }
  }

  @Test("A body that throws before its connections began throws what it throws")
  func shortThrow() async {
    for _ in 0..<100 {
      await #expect(throws: Refusal.self) {
        try await withGRPCTransports([peer, peer]) { _ in throw Refusal() }
      }
    }
  }
}
