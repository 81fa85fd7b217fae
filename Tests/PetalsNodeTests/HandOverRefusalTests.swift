import Bloom
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import MockServing
import PetalsNode
import PipelineRPC
import TestSupport
import Testing

@Suite("Steps from other nodes that are refused", .timeLimit(.minutes(5)))
struct HandOverRefusalTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  /// What a delivery has in place of what it should have, and what is said of it.
  private struct Case: Sendable {
    let code: RPCError.Code
    let words: String
    let change: @Sendable (inout Plumise_Petals_Delivery) -> Void

    init(
      _ code: RPCError.Code, _ words: String,
      _ change: @escaping @Sendable (inout Plumise_Petals_Delivery) -> Void
    ) {
      self.code = code
      self.words = words
      self.change = change
    }

    static let all =
      BadTensor.all.map { bad in
        Case(bad.code, bad.words) { $0.step.hiddenStates = bad.tensor }
      } + [
        Case(.failedPrecondition, "no session here takes steps with this token") {
          $0.token[15] ^= 1
        },
        Case(.invalidArgument, "token: send 16 bytes, not 0") { $0.token = .init() },
        Case(.invalidArgument, "token: send 16 bytes, not 15") { $0.token.removeLast() },
        Case(.failedPrecondition, "it has 7 already") { $0.step.stepID = 7 },
        Case(.failedPrecondition, "it has 7 already") { $0.step.stepID = 6 },
        Case(.failedPrecondition, "it has 7 already") { $0.step.stepID = 0 },
        Case(.invalidArgument, "hidden_states: ") { $0.clearStep() },
        Case(.outOfRange, "cannot start from position 4") { $0.step.startFromPosition = 4 },
        Case(.outOfRange, "cannot start from position -1") { $0.step.startFromPosition = -1 },
        Case(.outOfRange, "beyond the session's maximum of 8") {
          $0.step.hiddenStates = Plumise_Petals_Tensor([6, 64])
        },
        Case(.invalidArgument, "next_nodes: \"nowhere\" is no peer") {
          var next = Plumise_Petals_NextNode()
          next.address = "nowhere"
          $0.step.nextNodes = [next]
        },
        Case(.invalidArgument, "next_nodes: send 16 bytes, not 2") {
          var next = Plumise_Petals_NextNode()
          next.address = "127.0.0.1:1"
          next.token = .init([1, 2])
          $0.step.nextNodes = [next]
        },
      ]
  }

  @Test("A delivery that cannot be is refused in words, and the session goes on")
  func hostile() async throws {
    let input = try model.hidden("case2.embeddings")
    let expected = try model.hidden("case2.after_first_shard")
    try await withNodes(of: model, cuts: [12], configure: handingOn) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        let service = Plumise_Petals_PetalsNode.Client(wrapping: client)
        try await withRawSession(service) { session in
          session.send(.opening(length: 8, token: Self.token))
          // The client's own, and then one from another node.
          session.send(.step(3, input.slice(0..<1)))
          try expectClose(try await session.answer(to: 3), expected.slice(0..<1), "own")
          try await deliver(service, [.step(7, input.slice(1..<3), token: Self.token)])
          try expectClose(try await session.answer(to: 7), expected.slice(1..<3), "delivered")

          for bad in Case.all {
            var delivery = Plumise_Petals_Delivery.step(
              8, input.slice(3..<4), token: Self.token)
            bad.change(&delivery)
            let refused = delivery
            let error = await #expect(throws: RPCError.self) {
              try await deliver(service, [refused])
            }
            #expect(error?.code == bad.code, "\(bad.words): \(error as Any)")
            #expect(error?.message.contains(bad.words) == true, "\(error as Any)")
          }
          // Nothing of it was computed, and nothing is missing.
          try await deliver(service, [.step(8, input.slice(3..<4), token: Self.token)])
          try expectClose(try await session.answer(to: 8), expected.slice(3..<4), "after them")
          // A step that replaces one that was computed.
          var again = Plumise_Petals_Delivery.step(9, input.slice(2..<4), token: Self.token)
          again.step.startFromPosition = 2
          try await deliver(service, [again])
          try expectClose(try await session.answer(to: 9), expected.slice(2..<4), "once more")
          // Two at once are computed in their order.
          try await deliver(
            service,
            [
              .step(10, input.slice(4..<5), token: Self.token),
              .step(11, input.slice(5..<6), token: Self.token),
            ])
          for (id, token) in [(10, 4), (11, 5)] as [(UInt64, Int)] {
            try expectClose(
              try await session.answer(to: id), expected.slice(token..<token + 1), "step \(id)")
          }
          #expect(nodes[0].batches == 6)
          #expect(nodes[0].handOverUsage.taken == 5)
        }
        try await nodes[0].waitUntilIdle()
        // The token went with its session.
        let error = await #expect(throws: RPCError.self) {
          try await deliver(service, [.step(10, input.slice(0..<1), token: Self.token)])
        }
        #expect(error?.code == .failedPrecondition)
      }
    }
  }

  @Test("A step that comes after what its client sent in its place is refused")
  func overtaken() async throws {
    let input = try model.hidden("case2.embeddings")
    let expected = try model.hidden("case2.after_first_shard")
    try await withNodes(of: model, cuts: [12], configure: handingOn) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        let service = Plumise_Petals_PetalsNode.Client(wrapping: client)
        try await withRawSession(service) { session in
          session.send(.opening(length: 8, token: Self.token))
          session.send(.step(5, input.slice(0..<2)))
          _ = try await session.answer(to: 5)
          let error = await #expect(throws: RPCError.self) {
            try await deliver(service, [.step(4, input.slice(0..<2), token: Self.token)])
          }
          #expect(error?.code == .failedPrecondition)
          session.send(.step(6, input.slice(2..<3)))
          try expectClose(try await session.answer(to: 6), expected.slice(2..<3), "next")
        }
      }
    }
  }

  @Test("A token of another session, or one that is none, opens no session")
  func tokens() async throws {
    try await withNodes(of: model, cuts: [12], configure: handingOn) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        let service = Plumise_Petals_PetalsNode.Client(wrapping: client)
        try await withRawSession(service) { session in
          session.send(.opening(length: 8, token: Self.token))
          _ = try await session.answers.next()
          for (token, words) in [
            (Self.token, "another session has it"), ([1, 2, 3], "send 16 bytes, not 3"),
          ] {
            let error = await #expect(throws: RPCError.self) {
              try await withRawSession(service) { other in
                other.send(.opening(length: 8, token: token))
                try await other.waitForEnd()
              }
            }
            #expect(error?.code == .invalidArgument, "\(error as Any)")
            #expect(error?.message.contains(words) == true, "\(error as Any)")
          }
        }
      }
      try await nodes[0].waitUntilIdle()
    }
  }

  @Test("A node that was not told to hand on says so, and ignores tokens and next nodes")
  func notTold() async throws {
    let input = try model.hidden("case2.embeddings")
    try await withNodes(of: model, cuts: [12]) { nodes in
      #expect(!nodes[0].info.handsOn)
      try await withRawClient(of: nodes[0]) { client in
        let service = Plumise_Petals_PetalsNode.Client(wrapping: client)
        try await withRawSession(service) { session in
          session.send(.opening(length: 8, token: Self.token))
          var step = Plumise_Petals_SessionRequest.step(1, input.slice(0..<1))
          step.step.nextNodes = [try Self.place(of: nodes[1])]
          session.send(step)
          let answer = try await session.answers.next { $0.step.stepID == 1 }
          #expect(!answer.step.handedOn)
          let error = await #expect(throws: RPCError.self) {
            try await deliver(service, [.step(2, input.slice(1..<2), token: Self.token)])
          }
          #expect(error?.code == .unimplemented)
        }
      }
    }
  }

  @Test("A node whose step the next one refuses says so, and why")
  func refusal() async throws {
    let input = try model.hidden("case2.embeddings")
    try await withNodes(of: model, cuts: [12], configure: handingOn) { nodes in
      try await withRawClient(of: nodes[0]) { client in
        let service = Plumise_Petals_PetalsNode.Client(wrapping: client)
        try await withRawSession(service) { session in
          session.send(.opening(length: 8))
          var step = Plumise_Petals_SessionRequest.step(1, input.slice(0..<1))
          // No session has the token there.
          step.step.nextNodes = [try Self.place(of: nodes[1])]
          session.send(step)
          let refusal = try await session.answers.next { $0.kind?.isNotHandedOn == true }
          #expect(refusal.notHandedOn.stepID == 1)
          #expect(refusal.notHandedOn.reason.contains("no session here takes steps"))
          let first = try await session.answers.next { $0.step.stepID == 1 }
          #expect(first.step.handedOn)
          // From here on it does not even try.
          step = .step(2, input.slice(1..<2))
          step.step.nextNodes = [try Self.place(of: nodes[1])]
          session.send(step)
          let second = try await session.answers.next { $0.step.stepID == 2 }
          #expect(!second.step.handedOn)
        }
      }
    }
  }

  @Test("A node that says that it hands on, and stands still, is done without")
  func liar() async throws {
    let ids = try model.ids("case2.generated_ids")
    let (liar, honest) = (EchoPeer(model, lies: true), EchoPeer(model, lies: false))
    @Sendable func generate(_ peers: [PeerAddress]) async throws {
      let limits = TransportLimits(step: .seconds(3600), silence: .seconds(6))
      try await withPipelineClient(model.ends, peers: peers, limits: limits) { client in
        _ = try await client.generate(
          PipelineRequest(promptIDs: model.ids("case2.input_ids"), maxNewTokens: ids.count)
        ).collect()
      }
    }
    try await withNodes(of: model, serving: [12..<24], configure: handingOn) { nodes in
      let second = try nodes[0].boundAddress
      try await withGRPCServer(honest) { try await generate([$0, second]) }
      let (taken, batches) = (nodes[0].handOverUsage.taken, nodes[0].batches)
      #expect(batches > 0)
      try await withGRPCServer(liar, release: { liar.gate.record(true) }) { address in
        // What it answered is sent from here once it is given up; nobody else serves its blocks then.
        let error = await #expect(throws: RouteError.self) {
          try await endsInTime(
            butCame: "\(liar.lied.count) answers", release: { liar.gate.record(true) }
          ) { try await generate([address, second]) }
        }
        #expect("\(error as Any)".contains("it gave no sign of life"))
        #expect(nodes[0].handOverUsage.taken == taken)
        #expect(nodes[0].batches == batches + 1, "\(error as Any)")
      }
    }
  }

  // MARK: - What is sent

  private static let token = Array<UInt8>(1...16)

  private static func place(of node: PetalsNode) throws -> Plumise_Petals_NextNode {
    var place = Plumise_Petals_NextNode()
    place.address = try node.boundAddress.description
    place.token = .init(token)
    return place
  }

  /// Sends deliveries one after another, and reads until the node ends the call.
  private func deliver(
    _ service: Plumise_Petals_PetalsNode.Client<HTTP2ClientTransport.Posix>,
    _ deliveries: [Plumise_Petals_Delivery]
  ) async throws {
    try await service.deliver { writer in
      for delivery in deliveries { try await writer.write(delivery) }
    } onResponse: { response in
      var acknowledged: [UInt64] = []
      for try await message in response.messages { acknowledged.append(message.stepID) }
      #expect(acknowledged == deliveries.map(\.step.stepID))
    }
  }
}

/// A first half that gives back what it gets; one that lies says that it hands that on, and does nothing more.
private final class EchoPeer: PartialPeer {
  let lied = Journal<Bool>()
  let gate = Journal<Bool>()
  private let lies: Bool
  private let description: Plumise_Petals_InfoResponse

  init(_ model: TinyModel, lies: Bool) {
    self.lies = lies
    var info = SayingPeer.description(of: model)
    info.blocks.upper = 12
    info.handsOn = true
    description = info
  }

  func info(
    request: Plumise_Petals_InfoRequest, context: ServerContext
  ) async throws -> Plumise_Petals_InfoResponse {
    if lied.count > 0 { _ = try await gate.next() }
    return description
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
        answer.step.hiddenStates = step.hiddenStates
        answer.step.handedOn = lies
      case .finish: answer.finished.processedTokens = 1
      default: answer.opened.reservedBytes = 1
      }
      try await response.write(answer)
      if answer.step.handedOn { lied.record(true) }
    }
  }
}

extension Plumise_Petals_SessionResponse.OneOf_Kind {
  fileprivate var isNotHandedOn: Bool { if case .notHandedOn = self { true } else { false } }
}

extension Plumise_Petals_SessionRequest {
  fileprivate static func opening(length: Int32, token: [UInt8]) -> Self {
    var request = opening(length: length)
    request.open.acceptToken = .init(token)
    return request
  }

  fileprivate static func step(_ id: UInt64, _ hidden: HiddenStates) -> Self {
    var request = Self()
    request.step.stepID = id
    request.step.hiddenStates = Plumise_Petals_Tensor(
      [Int64(hidden.tokens), Int64(hidden.hidden)], values: hidden.values)
    return request
  }
}

extension Plumise_Petals_Delivery {
  fileprivate static func step(_ id: UInt64, _ hidden: HiddenStates, token: [UInt8]) -> Self {
    var delivery = Self()
    delivery.token = .init(token)
    delivery.step = Plumise_Petals_SessionRequest.step(id, hidden).step
    return delivery
  }
}
