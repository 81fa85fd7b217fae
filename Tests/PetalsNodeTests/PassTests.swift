import Bloom
import Foundation
import InferenceMetrics
import PetalsNode
import PlumiseTesting
import PlumiseWire
import TestSupport
import TestVectors
import Testing

@Suite("Passes through blocks", .timeLimit(.minutes(5)))
struct PassTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  @Test(
    "Hidden states through A, then B, are those of the reference",
    arguments: Reach.allCases, TinyModel.cases)
  func forward(reach: Reach, name: String) async throws {
    let input = try model.hidden("\(name).embeddings")
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        let middle = try await peers[0].forward(input, through: model.served(0..<12))
        try expectClose(middle, model.hidden("\(name).after_first_shard"), "first shard")
        let output = try await peers[1].forward(middle, through: model.served(12..<24))
        try expectClose(output, model.hidden("\(name).after_second_shard"), "second shard")
      }
    }
  }

  @Test(
    "Gradients through A and B are those of the reference",
    arguments: Reach.allCases, TinyModel.cases)
  func backward(reach: Reach, name: String) async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        let first = try await peers[0].backward(
          input: model.hidden("\(name).embeddings"),
          outputGradient: model.hidden("\(name).first_shard.grad_output"),
          through: model.served(0..<12))
        try expectClose(first, model.hidden("\(name).first_shard.grad_input"), "first shard")
        let second = try await peers[1].backward(
          input: model.hidden("\(name).after_first_shard"),
          outputGradient: model.hidden("\(name).second_shard.grad_output"),
          through: model.served(12..<24))
        try expectClose(second, model.hidden("\(name).second_shard.grad_input"), "second shard")
      }
    }
  }

  @Test("A pipeline's forward and backward go through every node")
  func pipeline() async throws {
    let input = try model.hidden("case2.embeddings")
    try await withNodes(of: model, cuts: [12]) { nodes in
      let peers = try nodes.map { try $0.boundAddress }
      try await withPipelineClient(model.ends, peers: peers.reversed()) { client in
        let output = try await client.forward(input)
        try expectClose(output, model.hidden("case2.after_second_shard"), "output")
        let gradient = try await client.backward(
          input: input, outputGradient: model.hidden("case2.second_shard.grad_output"))
        // The chain rule by hand, one node at a time.
        let middle = try await nodes[1].transport.backward(
          input: model.hidden("case2.after_first_shard"),
          outputGradient: model.hidden("case2.second_shard.grad_output"),
          through: model.served(12..<24))
        let whole = try await nodes[0].transport.backward(
          input: input, outputGradient: middle, through: model.served(0..<12))
        try expectClose(gradient, whole, "gradient")
      }
    }
  }

  @Test(
    "Gradients through any blocks, over nodes cut anywhere, are those of the reference",
    arguments: [[12], [5, 12, 17], [3, 20], []])
  func anyBlocks(cuts: [Int]) async throws {
    try await withNodes(of: model, cuts: cuts) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        for name in TinyModel.cases {
          for (blocks, input, shard) in [
            (0..<12, "embeddings", "first_shard"),
            (12..<24, "after_first_shard", "second_shard"),
          ] {
            let blocks = try model.blocks(blocks)
            let output = try await client.forward(
              model.hidden("\(name).\(input)"), through: blocks)
            try expectClose(output, model.hidden("\(name).after_\(shard)"), "\(name) \(shard)")
            let gradient = try await client.backward(
              input: model.hidden("\(name).\(input)"),
              outputGradient: model.hidden("\(name).\(shard).grad_output"), through: blocks)
            try expectClose(
              gradient, model.hidden("\(name).\(shard).grad_input"), "\(name) \(shard)")
          }
        }
      }
      for node in nodes {
        #expect(node.metrics.snapshot.totalRequests == 0)
        #expect(node.info.cache.usedBytes == 0)
      }
    }
  }

  @Test("Gradients flow from the last node to the first as through the whole model")
  func chained() async throws {
    let input = try model.hidden("case3.embeddings")
    let gradient = try model.hidden("case3.second_shard.grad_output")
    let whole = try await Shard(model.checkpoint, blocks: model.blocks(0..<24))
      .backward(input: input, outputGradient: gradient)
    try await withNodes(of: model, cuts: [1, 2, 13, 23]) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        try expectClose(
          try await client.backward(input: input, outputGradient: gradient), whole, "gradient")
      }
    }
  }

  @Test("A pass goes on with another node where one fails", arguments: [0, 1, 2])
  func otherNode(broken: Int) async throws {
    let input = try model.hidden("case2.embeddings")
    let gradient = try model.hidden("case2.second_shard.grad_output")
    let whole = try Shard(model.checkpoint, blocks: model.blocks(0..<24))
    let expected = try await whole.backward(input: input, outputGradient: gradient)
    // The last one has other ends than the three: it takes a part of its blocks.
    try await withNodes(of: model, serving: [0..<8, 8..<16, 16..<24, 0..<24]) { nodes in
      let transports = nodes.map { UnreliableTransport($0.transport) }
      transports[broken].isBroken = true
      try await withPipelineClient(model.ends, transports: transports) { client in
        try expectClose(
          try await client.forward(input), model.hidden("case2.after_second_shard"), "output")
        try expectClose(
          try await client.backward(input: input, outputGradient: gradient), expected, "gradient")
      }
    }
  }

  @Test("A node without room for a pass is not at fault: the next pass asks it again at once")
  func fullNode() async throws {
    let input = try model.hidden("case2.embeddings")
    try await withNodes(of: model, cuts: []) { nodes in
      let node = UnreliableTransport(nodes[0].transport)
      // Nobody moves the clock: what is left alone stays so.
      try await withPipelineClient(
        model.ends, transports: [node], clock: ManualClock()
      ) { client in
        node.isFull = true
        let error = await #expect(throws: NodeError.self) { try await client.forward(input) }
        #expect(error?.code == .resourceExhausted && error?.peer == node.peer)
        node.isFull = false
        try expectClose(
          try await client.forward(input), model.hidden("case2.after_second_shard"), "output")
      }
    }
  }

  @Test("A pass leaves the metrics alone: it made no token")
  func metrics() async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      _ = try await nodes[0].transport.forward(
        model.hidden("case1.embeddings"), through: model.served(0..<24))
      #expect(nodes[0].metrics.snapshot.totalRequests == 0)
    }
  }
}

/// One check for a process alone, a pipeline and the HTTP API, in the same words.
@Suite("Scores that are no numbers, wherever they are made", .timeLimit(.minutes(5)))
struct PipelineScoreTests {
  /// A copy of the tiny checkpoint whose last layer norm is spoilt: nodes do not see it.
  private func spoilt() throws -> Checkpoint {
    let folder = try checkpointCopy()
    try spoilLastNorm(in: folder)
    return try Checkpoint(directory: folder)
  }

  @Test(
    "They end a generation in the words that a process alone has for them", arguments: [0, 0.7])
  func sameWords(temperature: Float) async throws {
    let checkpoint = try spoilt()
    defer { try? FileManager.default.removeItem(at: checkpoint.directory) }
    let sampling = try SamplingParameters(temperature: temperature, topP: 0.9)
    let alone = try await #require(throws: ScoreError.self) {
      try await LocalGenerator(checkpoint).generate(
        GenerationRequest(prompt: [5, 6, 7], maxNewTokens: 4, sampling: sampling))
    }
    var configuration = NodeConfiguration(checkpoint: checkpoint)
    configuration.http = .init()
    try await withPetalsNode(configuration) { node in
      let ends = ClientModel(checkpoint)
      for reach in Reach.allCases {
        try await reach.withTransports(to: [node]) { transports in
          try await withPipelineClient(ends, transports: transports) { client in
            let error = try await #require(throws: NodeError.self) {
              try await client.generate(
                PipelineRequest(
                  promptIDs: [5, 6, 7], maxNewTokens: 4, sampling: sampling)
              ).collect()
            }
            #expect(error.message == "\(alone)" && error.code == .internalFault)
          }
        }
      }
      for stream in [false, true] {
        let answer = try await node.generate(
          #"{"inputs":"Hello","stream":\#(stream)}"#)
        #expect(answer.status == 500, "\(answer.text)")
        let message = try #require(try answer.json["message"]?.stringValue)
        #expect(message.hasPrefix("\(alone)"), "\(message)")
      }
    }
  }
}
