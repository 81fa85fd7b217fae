import Bloom
import Foundation
import GRPCCore
import PetalsNode
import PipelineRPC
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Nodes in a pipeline of agents", .timeLimit(.minutes(5)))
struct AgentPipelineTests {
  static let cuts = [[], [12], [8, 16]]
  let model: TinyModel

  init() throws { model = try TinyModel() }

  private func body(_ count: Int, penalty: Float = 1, stream: Bool = false) -> String {
    """
    {"inputs":"Hello there","stream":\(stream),"parameters":{"max_new_tokens":\(count),
    "do_sample":false,"repetition_penalty":\(penalty)}}
    """
  }

  /// The tokens of a whole text, as an agent's peers make them.
  private func expectedText(
    _ count: Int, through nodes: [PetalsNode], format: InferenceFormat
  ) async throws -> (ids: [Int32], text: String) {
    let tokenizer = try #require(try model.ends.tokenizer)
    let ids = try await referenceIDs(
      tokenizer.encode("Hello there"), count: count, through: nodes, of: model, format: format)
    return (ids, tokenizer.decode(ids))
  }

  @Test(
    "A pass through one, two or three nodes leads to the reference's token, in every format",
    arguments: cuts, InferenceFormat.allCases)
  func tokens(cuts: [Int], format: InferenceFormat) async throws {
    let prompt = try model.ids("case2.input_ids")
    try await withAgents(of: model, cuts: cuts) { nodes, _ in
      let expected = try await referenceIDs(
        prompt, count: 6, through: nodes, of: model, format: format)
      // Where nothing is rounded, another implementation's ids.
      if format == .float32 {
        #expect(try expected == Array(model.ids("case2.generated_ids").prefix(6)))
      }
      var generated: [Int32] = []
      for _ in expected {
        let embedded = try model.ends.embed(prompt + generated)
        let answer = try await nodes[0].pass(
          .init(format.rounded(embedded), format: format, of: nodes.count, to: 0))
        try #require(answer.success, "\(answer.error)")
        #expect(answer.numTokens == 1 && !answer.isEos)
        #expect(answer.hiddenStates.isEmpty && answer.generatedText.isEmpty)
        generated.append(answer.nextTokenID)
      }
      // The embeddings were rounded on their way to the first node as well.
      if format == .float32 { #expect(generated == expected) }
      #expect(generated.count == expected.count)
    }
  }

  @Test(
    "The first node's text is the reference's, in every format",
    arguments: [[12], [8, 16]], PipelineTensorFormat.allCases)
  func text(cuts: [Int], format: PipelineTensorFormat) async throws {
    try await withAgents(of: model, cuts: cuts, format: format) { nodes, _ in
      let wire = try #require(InferenceFormat(rawValue: format.rawValue))
      let expected = try await expectedText(6, through: nodes, format: wire)
      let answer = try await nodes[0].generate(body(6))
      #expect(answer.status == 200, "\(answer.text)")
      let json = try answer.json
      #expect(json["generated_text"] == .string(expected.text))
      #expect(json["num_tokens"] == .integer(expected.ids.count))
    }
  }

  @Test("Nodes count as agents do: the first the text, the last each token, the others requests")
  func counting() async throws {
    try await withAgents(of: model, cuts: [8, 16]) { nodes, _ in
      let answer = try await nodes[0].generate(body(5))
      let tokens = try #require(try answer.json["num_tokens"]?.integerValue)
      let passes = tokens + (tokens < 5 ? 1 : 0)
      let counts = nodes.map(\.metrics.snapshot)
      #expect(counts.map(\.totalTokens) == [tokens, 0, passes])
      #expect(counts.map(\.totalRequests) == [1, passes, passes])
      #expect(nodes.map { $0.metrics.proofs.count } == [1, 0, 0])
    }
  }

  @Test("A node that does not begin the model, or has nobody behind it, generates nothing")
  func unavailable() async throws {
    try await withAgents(of: model, cuts: [12], follows: false) { nodes, topology in
      nodes[1].follow(topology)
      let last = try await nodes[1].generate(body(2))
      #expect(last.status == 503)
      nodes[0].follow([topology[0]])
      let alone = try await nodes[0].generate(body(2))
      #expect(alone.status == 503)
      // The next topology lists the other: the first node goes by the latest.
      nodes[0].follow(topology)
      let first = try await nodes[0].generate(body(2))
      #expect(first.status == 200)
    }
  }

  @Test("A node whose order no topology can have is left out", arguments: [Int.max, .max - 1, -1])
  func impossibleOrder(order: Int) async throws {
    try await withAgents(of: model, cuts: [12], follows: false) { nodes, topology async throws in
      let node = topology[0]
      nodes[0].follow([
        PipelineNode(
          nodeAddress: node.nodeAddress, grpcEndpoint: node.grpcEndpoint,
          httpEndpoint: node.httpEndpoint, layerStart: 0, layerEnd: 12, pipelineOrder: order,
          ready: true), topology[1],
      ])
      #expect(try await nodes[0].generate(body(2)).status == 503)
      nodes[0].follow([topology[0], topology[1].moved(to: "nowhere", order: order)])
      #expect(try await nodes[0].generate(body(2)).status == 503)
      nodes[0].follow(topology + [topology[1].moved(to: "nowhere", order: order)])
      #expect(try await nodes[0].generate(body(2)).status == 200)
    }
  }

  @Test("A first node names itself, the places and the node after next, and the ids so far")
  func firstMessages() async throws {
    var answer = Plumise_Inference_ForwardResponse()
    answer.success = true
    answer.nextTokenID = 5
    answer.numTokens = 1
    let agent = RecordingAgent(answer)
    try await withGRPCServer(agent) { address in
      try await withAgents(of: model, cuts: [12], follows: false) { nodes, topology in
        nodes[0].follow([
          topology[0], topology[1].moved(to: "http://\(address)", order: 1),
          topology[1].moved(to: "http://127.0.0.1:9", order: 2),
          topology[1].moved(to: "standalone://x", order: 999),
        ])
        let text = try await nodes[0].generate(body(3, penalty: 1.5))
        #expect(try text.json["num_tokens"] == 3)
        let requests = agent.requests.entries
        try #require(requests.count == 3)
        let prefix = String(requests[0].requestID.prefix(32))
        #expect(prefix.allSatisfy { $0.isHexDigit && !$0.isUppercase })
        for (step, request) in requests.enumerated() {
          #expect(request.requestID == "\(prefix)_s\(step)")
          #expect(request.pastTokenIds == .init(repeating: 5, count: step))
          #expect(request.shape == [1, requests[0].shape[1] + Int64(step), 64])
          #expect(request.dtype == "float32")
          #expect(request.attentionMask.isEmpty)
          #expect(request.params.maxNewTokens == 3 && request.params.repetitionPenalty == 1.5)
          #expect(!request.params.doSample)
          #expect(request.metadata.totalNodes == 4 && request.metadata.nodeIndex == 1)
          #expect(!request.metadata.isFirst && !request.metadata.isLast)
          #expect(request.metadata.originalPrompt == "Hello there")
          #expect(request.metadata.requesterAddress == nodes[0].configuration.agent?.checksummed)
          #expect(request.metadata.nextNodeEndpoint == "http://127.0.0.1:9")
        }
      }
    }
  }

  @Test("A middle node changes nothing but the hidden states", arguments: AgentProfile.allCases)
  func relay(profile: AgentProfile) async throws {
    var expected = Plumise_Inference_ForwardResponse()
    expected.requestID = "another"
    expected.success = true
    expected.nextTokenID = 77
    expected.numTokens = 1
    expected.latencyMs = 1234
    expected.generatedText = "kept"
    let agent = RecordingAgent(expected)
    try await withGRPCServer(agent) { address in
      try await withAgents(of: model, cuts: [8, 16], profile: profile, follows: false) {
        nodes, topology in
        // The endpoint of the message is not dialled.
        nodes[1].follow([topology[0], topology[1], topology[2].moved(to: "\(address)", order: 2)])
        var request = Plumise_Inference_ForwardRequest(
          try model.hidden("case2.embeddings"), format: .bfloat16, of: 3, to: 1)
        request.metadata.nextNodeEndpoint = "http://127.0.0.1:1"
        request.pastTokenIds = [3, 4, 5]
        request.attentionMask = Data(repeating: 1, count: 7)
        request.attentionMaskShape = [1, 7]
        #expect(try await nodes[1].pass(request) == expected)
        let passed = try #require(agent.requests.entries.first)
        #expect(passed.requestID == request.requestID)
        #expect(passed.params == request.params && passed.metadata == request.metadata)
        #expect(passed.pastTokenIds == (profile == .fixed ? [3, 4, 5] : []))
        #expect(passed.attentionMask.isEmpty && passed.attentionMaskShape.isEmpty)
        #expect(passed.dtype == "bfloat16" && passed.shape == [1, 7, 64])
        #expect(passed.hiddenStates != request.hiddenStates)
      }
    }
  }

  @Test("With three nodes the penalty of past ids is lost today, and kept where that is repaired")
  func pastIDs() async throws {
    let prompt = try model.ids("case2.input_ids")
    for profile in AgentProfile.allCases {
      try await withAgents(of: model, cuts: [8, 16], profile: profile) { nodes, _ in
        let plain = try await referenceIDs(
          prompt, count: 1, through: nodes, of: model, format: .float32)
        var request = Plumise_Inference_ForwardRequest(
          try model.ends.embed(prompt), of: 3, to: 0)
        request.params.repetitionPenalty = 2
        request.pastTokenIds = plain
        let answer = try await nodes[0].pass(request)
        #expect(answer.success, "\(answer.error)")
        #expect((answer.nextTokenID == plain[0]) == (profile == .faithful), "\(profile)")
      }
    }
  }

  @Test("A node that learnt of no next one fails the pass, and does so silently today")
  func unknownNext() async throws {
    let request = Plumise_Inference_ForwardRequest(
      try model.hidden("case2.embeddings"), of: 3, to: 1)
    for profile in AgentProfile.allCases {
      try await withAgents(of: model, cuts: [8, 16], profile: profile, follows: false) {
        nodes, topology in
        nodes[1].follow(Array(topology[..<2]))
        // The third joins later, which an agent of today does not notice.
        let before = try await nodes[1].pass(request)
        for node in nodes { node.follow(topology) }
        let after = try await nodes[1].pass(request)
        let text = try await nodes[0].generate(body(3)).json
        switch profile {
        case .fixed:
          #expect(!before.success && before.error.contains("learnt of no next node"))
          #expect(after.success && after.numTokens == 1, "\(after.error)")
          let expected = try await expectedText(3, through: nodes, format: .float32)
          #expect(text["generated_text"] == .string(expected.text))
        case .faithful:
          for answer in [before, after] {
            #expect(answer.success && answer.numTokens == 0 && !answer.hiddenStates.isEmpty)
          }
          // The first node reads token 0 until the limit.
          let zeros = try #require(try model.ends.tokenizer).decode([0, 0, 0])
          #expect(text["generated_text"] == .string(zeros))
          #expect(text["num_tokens"] == 3)
        }
      }
    }
  }

  @Test("An answer without a token, or with a foreign one, ends the text; today it is token 0")
  func noToken() async throws {
    var hidden = Plumise_Inference_ForwardResponse()
    hidden.success = true
    hidden.hiddenStates = Data(count: 256)
    var foreign = hidden
    foreign.hiddenStates = Data()
    foreign.numTokens = 1
    foreign.nextTokenID = 512
    for (answer, profile, status) in [
      (hidden, .fixed, 503), (hidden, .faithful, 200), (foreign, .fixed, 503),
      (foreign, .faithful, 503),
    ] as [(Plumise_Inference_ForwardResponse, AgentProfile, Int)] {
      try await withGRPCServer(RecordingAgent(answer)) { address in
        try await withAgents(of: model, cuts: [12], profile: profile, follows: false) {
          nodes, topology in
          nodes[0].follow([topology[0], topology[1].moved(to: "\(address)", order: 1)])
          let text = try await nodes[0].generate(body(2))
          #expect(text.status == status, "\(text.text)")
          #expect(nodes[0].metrics.snapshot.totalTokens == (status == 200 ? 2 : 0))
        }
      }
    }
  }

  @Test("The penalty of a pipeline is for the ids that it generated")
  func penalty() async throws {
    try await withAgents(of: model, cuts: [8, 16]) { nodes, _ in
      let tokenizer = try #require(try model.ends.tokenizer)
      let expected = try await referenceIDs(
        tokenizer.encode("Hello there"), count: 8, through: nodes, of: model, format: .float32,
        penalty: 1.5)
      let answer = try await nodes[0].generate(body(8, penalty: 1.5))
      #expect(try answer.json["generated_text"] == .string(tokenizer.decode(expected)))
    }
  }

  @Test("A next node that is away, fails or does not answer fails the pass, by name")
  func failures() async throws {
    let request = Plumise_Inference_ForwardRequest(
      try model.hidden("case2.embeddings"), of: 2, to: 0)
    var refusal = Plumise_Inference_ForwardResponse()
    refusal.error = "CUDA out of memory"
    let agent = RecordingAgent(refusal)
    try await withGRPCServer(agent) { address in
      try await withAgents(of: model, cuts: [12], follows: false) { nodes, topology in
        nodes[0].follow([topology[0], topology[1].moved(to: "http://\(address)", order: 1)])
        #expect(try await nodes[0].pass(request) == refusal)
        let text = try await nodes[0].generate(body(2))
        #expect(text.status == 503)
        #expect(text.text.contains("CUDA out of memory"))
        for endpoint in ["http://127.0.0.1:1", "standalone://0xab", "nowhere"] {
          nodes[0].follow([topology[0], topology[1].moved(to: endpoint, order: 1)])
          let answer = try await nodes[0].pass(request)
          #expect(!answer.success && answer.numTokens == 0 && answer.hiddenStates.isEmpty)
          #expect(answer.error.contains(endpoint.replacing("http://", with: "")), "\(answer.error)")
          #expect(answer.requestID == request.requestID)
          #expect(try await nodes[0].generate(body(2)).status == 503)
        }
        #expect(nodes[0].metrics.snapshot.totalRequests == 0)
      }
    }
  }

  @Test("A next node has 60 seconds to answer a middle node")
  func late() async throws {
    let agent = RecordingAgent(.init(), isOpen: false)
    try await withGRPCServer(agent, release: { agent.gate.record(true) }) { address in
      let clock = ManualClock()
      var configuration = NodeConfiguration(
        checkpoint: model.checkpoint, blocks: try model.blocks(0..<12))
      configuration.agent = .precompile(1)
      try await withPetalsNode(configuration, clock: clock) { node in
        let request = Plumise_Inference_ForwardRequest(
          try model.hidden("case2.embeddings"), of: 2, to: 0)
        let own = PipelineNode(
          nodeAddress: try #require(configuration.agent).lowercaseHex, grpcEndpoint: "",
          httpEndpoint: "", layerStart: 0, layerEnd: 12, pipelineOrder: 0, ready: true)
        node.follow([own, own.moved(to: "http://\(address)", order: 1)])
        let answer = try await withThrowingTaskGroup(
          of: Plumise_Inference_ForwardResponse?.self
        ) { group in
          group.addTask { try await node.pass(request) }
          group.addTask {
            _ = try await agent.requests.next()
            try await clock.waitForSleeper(until: .seconds(60))
            clock.advance(by: .seconds(60))
            return nil
          }
          var answer: Plumise_Inference_ForwardResponse?
          while let next = try await group.next() { answer = next ?? answer }
          return try #require(answer)
        }
        #expect(!answer.success)
        #expect(answer.error.contains("\(address): it did not answer within 60"), "\(answer.error)")
      }
    }
  }

  @Test("Names and streams are left out as agents leave them out, in the profile faithful alone")
  func descriptions() async throws {
    for profile in AgentProfile.allCases {
      try await withAgents(of: model, cuts: [], profile: profile) { nodes, _ in
        try await withRawClient(of: nodes[0]) { client in
          let service = AgentService(wrapping: client)
          let isFixed = profile == .fixed
          let layers = try await service.getLayerInfo(Plumise_Inference_Empty())
          #expect(layers.modelName == (isFixed ? model.checkpoint.name : ""))
          #expect(layers.layerEnd == 24 && layers.isReady)
          let ping = try await service.ping(Plumise_Inference_Empty())
          #expect(ping.modelName == (isFixed ? model.checkpoint.name : ""))
          #expect(ping.agentAddress.isEmpty != isFixed)
          var request = Plumise_Inference_ForwardRequest()
          request.metadata.originalPrompt = "a"
          request.params.maxNewTokens = 1
          let streamed = try await service.forwardPassStream(request) { response in
            do {
              for try await _ in response.messages {}
              return nil as RPCError.Code?
            } catch let error as RPCError {
              return error.code
            }
          }
          #expect(streamed == (isFixed ? nil : .unimplemented))
        }
      }
    }
  }
}

extension PipelineNode {
  /// The node at another endpoint and place.
  fileprivate func moved(to endpoint: String, order: Int) -> PipelineNode {
    PipelineNode(
      nodeAddress: order == pipelineOrder ? nodeAddress : nodeAddress.dropLast() + "f",
      grpcEndpoint: endpoint, httpEndpoint: httpEndpoint, layerStart: layerStart,
      layerEnd: layerEnd, pipelineOrder: order, ready: ready)
  }
}
