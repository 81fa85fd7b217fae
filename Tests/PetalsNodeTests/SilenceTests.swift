import Bloom
import GRPCCore
import GRPCNIOTransportHTTP2
import MockServing
import PetalsNode
import PipelineRPC
import PlumiseTesting
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
        _ = try await peer.begun.next()
        clock.advance(by: .seconds(3))
        _ = try await peer.asked.next()
        try await clock.waitForSleeper(until: .seconds(9))
        clock.advance(by: .seconds(6))
        let error = await #expect(throws: NodeError.self) { try await task.value }
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
      let question = Task { try await client.info() }
      try await peer.asked.wait(forCount: count + 1)
      question.cancel()
      _ = await question.result
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
