import Bloom
import EthereumPrimitives
import Foundation
import InferenceMetrics
import MockServing
import PetalsNode
import PipelineRPC
import PlumiseWire
import TestSupport
import TestVectors
import Testing

@Suite("Generation through a pipeline", .timeLimit(.minutes(5)))
struct GenerationTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  @Test(
    "One, two, three and 24 nodes generate the tokens of the reference",
    arguments: [[], [12], [8, 16], Array(1...23)], Reach.allCases)
  func reference(cuts: [Int], reach: Reach) async throws {
    try await withNodes(of: model, cuts: cuts) { nodes in
      try await reach.withTransports(to: nodes) { transports in
        try await withPipelineClient(model.ends, transports: transports) { client in
          #expect(client.route.hops.map(\.blocks) == nodes.map(\.configuration.blocks))
          for name in TinyModel.cases {
            let expected = try model.ids("\(name).generated_ids")
            let result = try await client.generate(
              PipelineRequest(
                promptIDs: model.ids("\(name).input_ids"), maxNewTokens: expected.count)
            ).collect()
            #expect(result.generatedIDs == expected, "\(name)")
            #expect(result.finishReason == .length)
            let first = try #require(result.timeToFirstToken)
            #expect(first <= result.duration)
            #expect(result.tokensPerSecond > 0)
          }
        }
      }
      for node in nodes {
        #expect(node.metrics.snapshot.totalTokens == 48)
        #expect(node.metrics.snapshot.totalRequests == 4)
        #expect(node.info.cache.usedBytes == 0)
      }
    }
  }

  @Test("Both nodes count the same and prove the same texts, each in its own name")
  func metrics() async throws {
    let agents = try ["aa", "bb"].map { byte in
      try Address("0x" + String(repeating: byte, count: 20))
    }
    let model = model
    try await withNodes(
      of: model, cuts: [12],
      configure: { $0.agent = agents[$0.blocks.lowerBound == 0 ? 0 : 1] }
    ) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        let result = try await client.generate(
          PipelineRequest(
            promptIDs: model.ids("case2.input_ids"), prompt: "the prompt", maxNewTokens: 9)
        ).collect()
        let text = try #require(result.text)
        for (node, agent) in zip(nodes, agents) {
          #expect(node.metrics.snapshot.totalTokens == 9)
          #expect(node.metrics.snapshot.totalLatency <= result.duration)
          let proof = try #require(node.metrics.proofs.pending.first)
          #expect(
            proof
              == InferenceProof(
                model: model.checkpoint.name, input: "the prompt", output: text, agent: agent,
                tokenCount: 9))
        }
        let latencies = nodes.map(\.metrics.snapshot.totalLatency)
        #expect(latencies[0] == latencies[1])
      }
    }
  }

  @Test("Concurrent generations equal those that run alone")
  func concurrent() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        try await withThrowingDiscardingTaskGroup { group in
          for number in 0..<20 {
            group.addTask {
              let name = TinyModel.cases[number % TinyModel.cases.count]
              let expected = try model.ids("\(name).generated_ids")
              let result = try await client.generate(
                PipelineRequest(
                  promptIDs: model.ids("\(name).input_ids"), maxNewTokens: expected.count)
              ).collect()
              #expect(result.generatedIDs == expected, "\(name)")
            }
          }
        }
      }
      for node in nodes {
        #expect(node.metrics.snapshot.totalTokens == 240)
        #expect(node.info.cache.usedBytes == 0)
      }
    }
  }

  @Test("The same seed draws the same tokens, through any nodes")
  func seeded() async throws {
    let sampling = try SamplingParameters(temperature: 1, topP: 0.9, repetitionPenalty: 1.2)
    var drawn: [[Int32]] = []
    for cuts in [[], [5], [12]] {
      let ids = try await withNodes(of: model, cuts: cuts) { nodes in
        try await withPipelineClient(model.ends, transports: nodes.map(\.transport)) { client in
          try await client.generate(
            PipelineRequest(
              promptIDs: model.ids("case2.input_ids"), maxNewTokens: 16, sampling: sampling,
              seed: 7)
          ).collect().generatedIDs
        }
      }
      drawn.append(ids)
    }
    #expect(drawn[0] == drawn[1] && drawn[1] == drawn[2])
  }

  @Test("Tokens come one by one, and who stops reading is counted for those it read")
  func streaming() async throws {
    let expected = try model.ids("case2.generated_ids")
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        var read: [Int32] = []
        let tokens = try client.generate(
          PipelineRequest(promptIDs: model.ids("case2.input_ids"), maxNewTokens: 12))
        for try await token in tokens {
          #expect(token.index == read.count)
          read.append(token.id)
          if read.count == 5 { break }
        }
        #expect(read == Array(expected.prefix(5)))
      }
      for node in nodes {
        try await node.waitUntilIdle()
        #expect(node.metrics.snapshot.totalTokens == 5)
      }
    }
  }

  @Test("A cancelled generation ends its sessions on every node")
  func cancelled() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        let request = try PipelineRequest(
          promptIDs: model.ids("case2.input_ids"), maxNewTokens: 2000)
        let (begun, signal) = AsyncStream<Void>.makeStream()
        let generation = Task {
          for try await _ in try client.generate(request) { signal.yield() }
        }
        for await _ in begun { break }
        generation.cancel()
        await #expect(throws: CancellationError.self) { try await generation.value }
        for node in nodes { try await node.waitUntilIdle() }
      }
    }
  }

  @Test("A prompt and new tokens beyond the model's length are refused")
  func tooLong() async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      try await withPipelineClient(model.ends, transports: [nodes[0].transport]) { client in
        let prompt = try model.ids("case2.input_ids")
        let fits = try PipelineRequest(promptIDs: prompt, maxNewTokens: 2041)
        _ = try client.generate(fits)
        let tooLong = try PipelineRequest(promptIDs: prompt, maxNewTokens: 2042)
        let error = #expect(throws: NodeError.self) { try client.generate(tooLong) }
        #expect(error?.code == .outOfRange)
      }
    }
  }

  @Test("A token outside the vocabulary is refused", arguments: [-1, 512] as [Int32])
  func vocabulary(id: Int32) async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      try await withPipelineClient(model.ends, transports: [nodes[0].transport]) { client in
        let request = try PipelineRequest(promptIDs: [id], maxNewTokens: 1)
        let error = await #expect(throws: NodeError.self) {
          try await client.generate(request).collect()
        }
        #expect(error?.code == .invalidArgument)
      }
    }
  }

  @Test("A peer where nothing listens is named, with the blocks that are missing")
  func unreachable() async throws {
    try await withClosedPort { closed in
      let nowhere = try PeerAddress(host: closed.host, port: closed.port)
      try await withNodes(of: model, cuts: [12]) { nodes in
        let error = await #expect(throws: RouteError.self) {
          try await withPipelineClient(
            model.ends, peers: [nodes[0].boundAddress, nowhere]
          ) { _ in }
        }
        guard case .unserved(12..<24, 24, let peers) = error else {
          Issue.record("\(error as Any) does not say which blocks are missing")
          return
        }
        #expect(peers.contains { $0.hasPrefix("\(nowhere): cannot be reached") }, "\(peers)")
      }
    }
  }

  @Test("A node that stops amid a generation and has no other is named, with its blocks")
  func dead() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      let error = try await withPipelineClient(
        model.ends, peers: nodes.map { try $0.boundAddress }
      ) { client in
        let request = try PipelineRequest(
          promptIDs: model.ids("case2.input_ids"), maxNewTokens: 2000)
        return await #expect(throws: RouteError.self) {
          for try await token in try client.generate(request) where token.index == 3 {
            nodes[1].stop()
          }
        }
      }
      guard case .unserved(12..<24, 24, let peers) = error else {
        Issue.record("\(error as Any) does not say which blocks are missing")
        return
      }
      let name = try nodes[1].boundAddress.description
      #expect(peers.contains { $0.hasPrefix(name) && $0.contains("stopping") }, "\(peers)")
      try await nodes[0].waitUntilIdle()
      // The four tokens that were made are counted where they can be.
      #expect(nodes[0].metrics.snapshot.totalTokens == 4)
    }
  }
}

/// What a request does not say, the model's `generation_config.json` does.
@Suite("Defaults of generation_config.json", .timeLimit(.minutes(5)))
struct GenerationDefaultTests {
  /// The tiny checkpoint with a `generation_config.json`.
  private func model(_ generation: String) throws -> Checkpoint {
    let folder = try checkpointCopy()
    try Data(generation.utf8).write(to: folder.appending(path: "generation_config.json"))
    return try Checkpoint(directory: folder)
  }

  /// Runs a body with a node that serves the whole model over HTTP; the model's folder goes at the end.
  private func withNode(
    _ generation: String, _ body: (PetalsNode) async throws -> Void
  ) async throws {
    let checkpoint = try model(generation)
    defer { try? FileManager.default.removeItem(at: checkpoint.directory) }
    var configuration = NodeConfiguration(checkpoint: checkpoint)
    configuration.http = .init()
    try await withPetalsNode(configuration, body)
  }

  private func text(_ node: PetalsNode, _ parameters: String?) async throws -> JSON {
    let rest = parameters.map { #","parameters":{\#($0)}"# } ?? ""
    let answer = try await node.generate(#"{"inputs":"Hello there"\#(rest)}"#)
    try #require(answer.status == 200, "\(answer.text)")
    return try answer.json
  }

  /// The ids that a sampler chooses through the node.
  private func expected(
    _ node: PetalsNode, _ count: Int, _ sampling: SamplingParameters
  ) async throws -> String {
    let checkpoint = node.configuration.checkpoint
    let ends = ClientModel(checkpoint, tokenizer: try Tokenizer(directory: checkpoint.directory))
    let prompt = try #require(ends.tokenizer).encode("Hello there")
    return try await withPipelineClient(ends, transports: [node.transport]) { client in
      try #require(
        try await client.generate(
          PipelineRequest(promptIDs: prompt, maxNewTokens: count, sampling: sampling)
        ).collect().text)
    }
  }

  @Test("Greedy, penalty and length are the file's where a request says nothing")
  func nothingSaid() async throws {
    try await withNode(#"{"do_sample":false,"repetition_penalty":1.9,"max_new_tokens":7}"#) {
      node in
      let penalised = try await expected(node, 7, SamplingParameters(repetitionPenalty: 1.9))
      let found = try await text(node, nil)
      #expect(found["generated_text"] == .string(penalised))
      #expect(found["num_tokens"] == 7)
      // Whatever a request says comes first.
      let own = try await text(node, #""max_new_tokens":5,"repetition_penalty":1.0"#)
      #expect(own["generated_text"] == .string(try await expected(node, 5, .greedy)))
      #expect(own["num_tokens"] == 5)
    }
  }

  @Test(
    "Each way of drawing is the file's: what leaves one token is what greedy takes",
    arguments: [#""top_k":1"#, #""top_p":0"#, #""temperature":0"#, #""temperature":1e-30"#])
  func drawing(_ field: String) async throws {
    try await withNode(#"{\#(field),"do_sample":true,"repetition_penalty":1,"max_new_tokens":9}"#) {
      node in
      let greedy = try await expected(node, 9, .greedy)
      #expect(try await text(node, nil)["generated_text"] == .string(greedy))
    }
  }

  @Test("The network's own service takes the same defaults")
  func service() async throws {
    try await withNode(#"{"do_sample":false,"repetition_penalty":1.9,"max_new_tokens":7}"#) {
      node in
      let penalised = try await expected(node, 7, SamplingParameters(repetitionPenalty: 1.9))
      try await withRawClient(of: node) { client in
        var request = Plumise_Inference_ForwardRequest()
        request.metadata.originalPrompt = "Hello there"
        let answer = try await Plumise_Inference_InferencePipeline.Client(wrapping: client)
          .forwardPass(request)
        #expect(answer.success, "\(answer.error)")
        #expect(answer.generatedText == penalised)
        #expect(answer.numTokens == 7)
      }
    }
  }

  @Test("Any id of a list ends a text, and the stream names which")
  func ends() async throws {
    let golden = try TinyModel()
    let ids = try golden.ids("case2.generated_ids")
    let stop = ids[4]
    let before = Array(ids.prefix { $0 != stop })
    let checkpoint = try model(#"{"eos_token_id":[2,\#(stop)]}"#)
    defer { try? FileManager.default.removeItem(at: checkpoint.directory) }
    try await withPetalsNode(NodeConfiguration(checkpoint: checkpoint)) { node in
      let model = ClientModel(checkpoint)
      return try await withPipelineClient(model, transports: [node.transport]) { client in
        let result = try await client.generate(
          PipelineRequest(
            promptIDs: golden.ids("case2.input_ids"), maxNewTokens: ids.count)
        ).collect()
        #expect(result.generatedIDs == before)
        #expect(result.finishReason == .endOfSequence && result.endID == stop)
      }
    }
  }

  @Test("A file that asks for beams keeps the HTTP API from starting, by name")
  func beams() async throws {
    let error = try await #require(throws: CheckpointError.self) {
      try await withNode(#"{"num_beams":4}"#) { _ in }
    }
    #expect("\(error)".contains("generation_config.json: num_beams: expected 1.0, found 4"))
  }
}
