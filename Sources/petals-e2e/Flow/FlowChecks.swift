import Bloom
import EthereumPrimitives
import PetalsNode

/// The middle of the flow: tokens through the nodes, and what oracle and chain know of them.
struct FlowChecks: Sendable {
  let network: RunningNetwork
  let request: Bloom.GenerationRequest
  let prompt: String?
  let tokenizer: Tokenizer?
  let log: StepLog

  private var chain: ChainAccess { ChainAccess(url: network.chainURL) }
  private var oracle: OracleAccess { OracleAccess(url: network.oracleURL) }

  /// Every block is served once by nodes of this model.
  func coverage() async throws -> [PeerAddress] {
    try await log.run("the nodes cover every block") {
      let peers = try network.nodes.map { try PeerAddress(parsing: $0.peer) }
      let route = try await CommandFailure.throughPeers {
        let ends = ModelEnds(network.checkpoint)
        return try await withPipelineClient(ends, peers: peers) { $0.route }
      }
      return (peers, route.hops.map { "\($0.blocks)" }.joined(separator: " → "))
    }
  }

  func generation(through peers: [PeerAddress]) async throws -> GeneratedText {
    try await log.run("tokens come through the nodes") {
      let text = try await RemoteGeneration.run(
        request, text: prompt, network.checkpoint, tokenizer, peers: peers)
      guard !text.generatedIDs.isEmpty else {
        throw CommandFailure.failed("the model ended the text at once; try another prompt")
      }
      return (text, text.summary)
    }
  }

  func comparison(with generated: GeneratedText) async throws {
    try await log.run("a single node gives the same tokens") {
      let alone = try await LocalGeneration.run(request, network.checkpoint, tokenizer)
      if let index = zip(alone.generatedIDs, generated.generatedIDs).enumerated()
        .first(where: { $1.0 != $1.1 })?.offset
      {
        throw CommandFailure.failed(
          "token \(index) is \(alone.generatedIDs[index]) on a single node, but "
            + "\(generated.generatedIDs[index]) through the nodes")
      }
      guard alone.generatedIDs.count == generated.generatedIDs.count else {
        throw CommandFailure.failed(
          "\(alone.generatedIDs.count) tokens on a single node, but "
            + "\(generated.generatedIDs.count) through the nodes")
      }
      return ((), "\(alone.generatedIDs.count) equal ids")
    }
  }

  /// Each node proves the inference on chain, to precompile 0x20.
  ///
  /// - Returns: for each node how many of its proofs are on chain.
  func proofs(tokens: Int64) async throws -> [Int] {
    try await log.run("each node's proof is verified on chain") {
      let proofs = try await withDeadline(.seconds(30), "a proof is not verified") {
        try await network.nodes.concurrently { node in
          try await node.process.event { event in
            if case .verified(_, tokens, _) = event { true } else { nil }
          }
          let transactions = node.process.events.compactMap { event in
            if case .verified(_, _, let transaction) = event { transaction } else { nil }
          }
          for transaction in transactions {
            try await chain.requireSuccess(transaction, from: node.agent, to: .precompile(0x20))
          }
          return transactions
        }
      }
      let names = proofs.joined().map { $0.prefix(10) }.joined(separator: ", ")
      return (proofs.map(\.count), "transactions \(names)")
    }
  }

  /// The oracle stored exactly what was generated, for every node.
  func reports(tokens: Int64) async throws -> [Int64] {
    try await log.run("the oracle stored every node's tokens") {
      let limit = Duration.seconds(30)
      let stored = try await withDeadline(limit, "a node does not report \(tokens) tokens") {
        try await network.nodes.concurrently { node in
          try await node.process.event { event in
            if case .reported(let reported, _) = event, reported >= tokens { true } else { nil }
          }
          let stored = try await oracle.tokensProcessed(by: node.agent)
          guard stored == tokens else {
            throw CommandFailure.failed(
              "the oracle stored \(stored) tokens of \(node.process.name), not \(tokens)")
          }
          return stored
        }
      }
      return (stored, "\(tokens) tokens for each of \(stored.count) nodes")
    }
  }
}
