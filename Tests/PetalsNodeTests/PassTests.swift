import Bloom
import PetalsNode
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

  @Test("A pass leaves the metrics alone: it made no token")
  func metrics() async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      _ = try await nodes[0].transport.forward(
        model.hidden("case1.embeddings"), through: model.served(0..<24))
      #expect(nodes[0].metrics.snapshot.totalRequests == 0)
    }
  }
}
