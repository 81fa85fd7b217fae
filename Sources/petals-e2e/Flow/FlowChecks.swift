import AsyncHTTPClient
import Bloom
import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import NIOCore
import NIOHTTP1
import NetworkWatch
import PetalsNode
import PlumiseWire

/// The checks of the flow: generates tokens through the nodes, and compares them with those of a
/// single node and with what the oracle and the chain recorded.
struct FlowChecks: Sendable {
  let network: RunningNetwork
  let request: Bloom.GenerationRequest
  /// That of the nodes, for the single one.
  let cacheType: CacheType
  let prompt: String?
  let tokenizer: Tokenizer?
  let log: StepLog

  private var chain: ChainClient { ChainClient(url: network.chainURL) }
  private var oracle: OracleClient { OracleClient(url: network.oracleURL) }

  /// Checks that nodes of this model serve every block once.
  func checkCoverage() async throws -> [PeerAddress] {
    try await log.run("the nodes cover every block") {
      let peers = try network.nodes.map { try PeerAddress(parsing: $0.peer) }
      let route = try await CommandFailure.mappingPeerErrors {
        let ends = ClientModel(network.checkpoint)
        return try await withPipelineClient(ends, peers: peers) { $0.route }
      }
      return (peers, route.hops.map { "\($0.blocks)" }.joined(separator: " → "))
    }
  }

  func checkGeneration(through peers: [PeerAddress]) async throws -> GeneratedText {
    try await log.run("tokens come through the nodes") {
      let text = try await RemoteGeneration.run(
        request, text: prompt, network.checkpoint, tokenizer, peers: peers)
      guard !text.generatedIDs.isEmpty else {
        throw CommandFailure.failed("the model ended the text at once; try another prompt")
      }
      return (text, text.summary)
    }
  }

  func compareWithLocal(_ generated: GeneratedText) async throws {
    try await log.run("a single node gives the same tokens") {
      let local = try await LocalGeneration.run(
        request, network.checkpoint, tokenizer, cacheType: cacheType)
      if let index = zip(local.generatedIDs, generated.generatedIDs).enumerated()
        .first(where: { $1.0 != $1.1 })?.offset
      {
        throw CommandFailure.failed(
          "token \(index) is \(local.generatedIDs[index]) on a single node, but "
            + "\(generated.generatedIDs[index]) through the nodes")
      }
      guard local.generatedIDs.count == generated.generatedIDs.count else {
        throw CommandFailure.failed(
          "\(local.generatedIDs.count) tokens on a single node, but "
            + "\(generated.generatedIDs.count) through the nodes")
      }
      return ((), "\(local.generatedIDs.count) equal ids")
    }
  }

  /// Checks that each node proved the inference on chain, to precompile 0x20.
  ///
  /// - Returns: for each node how many of its proofs are on chain.
  func checkProofs(tokens: Int64) async throws -> [Int] {
    try await log.run("each node's proof is verified on chain") {
      let proofs = try await withDeadline(.seconds(30), "a proof is not verified") {
        try await network.nodes.concurrentMap { node in
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

  /// Checks that the oracle stored exactly the tokens that were generated, for every node.
  func checkReports(tokens: Int64) async throws -> [Int64] {
    try await log.run("the oracle stored every node's tokens") {
      let limit = Duration.seconds(30)
      let stored = try await withDeadline(limit, "a node does not report \(tokens) tokens") {
        try await network.nodes.concurrentMap { node in
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

extension FlowChecks {
  /// Records what the chain keeps of each node's agent.
  func recordStandings(in events: EventStream) async throws {
    let client = EthereumClient(url: network.chainURL)
    for (index, node) in network.nodes.enumerated() {
      events.record("node-\(index + 1)", .standing(try await client.standing(of: node.agent)))
    }
  }
}

/// The requests and transactions that the flow sends to the chain.
struct ChainClient: Sendable {
  private static let plm: Word = 1_000_000_000_000_000_000

  private let client: EthereumClient

  init(url: String) {
    client = EthereumClient(url: url)
  }

  /// The chain's id.
  func chainID() async throws -> UInt64 { try await client.chainID() }

  /// Sends 100 PLM to each account, from the first of the well-known ones.
  func fund(_ accounts: [Address]) async throws {
    let source = DevelopmentAccount.standard[0]
    let first = try await client.transactionCount(of: source.address)
    let chainID = try await client.chainID()
    let price = try await client.gasPrice()
    for (index, account) in accounts.enumerated() {
      let (nonce, overflows) = first.addingReportingOverflow(UInt64(index))
      guard !overflows else {
        throw CommandFailure.failed("the chain counts \(first) transactions of \(source.address)")
      }
      let transaction = Transaction(
        chainID: chainID, nonce: nonce, fee: .legacy(gasPrice: price),
        gasLimit: 21_000, to: account, value: 100 * Self.plm)
      let hash = try await client.send(transaction.signed(with: source.key))
      try await requireSuccess(client.waitForReceipt(of: hash), hash)
    }
  }

  /// The chain's record of an agent.
  func status(of agent: Address) async throws -> AgentStatusReport {
    try await client.agentStatus(of: agent)
  }

  /// - Throws: unless the transaction is in a block, went from the sender to the callee, and
  ///   succeeded.
  func requireSuccess(
    _ transaction: String, from sender: Address, to callee: Address
  ) async throws {
    let hash = try Hash32(transaction)
    guard let receipt = try await client.receipt(of: hash) else {
      throw CommandFailure.failed("transaction \(transaction) is in no block")
    }
    try await requireSuccess(receipt, hash)
    guard receipt.from == sender else {
      throw CommandFailure.failed("transaction \(transaction) came from \(receipt.from)")
    }
    guard receipt.to == callee else {
      throw CommandFailure.failed("transaction \(transaction) did not go to \(callee)")
    }
  }

  private func requireSuccess(_ receipt: Receipt, _ hash: Hash32) async throws {
    guard receipt.succeeded else {
      let reason = try await client.revertReason(of: receipt) ?? "the chain tells no reason"
      throw CommandFailure.failed("transaction \(hash.hex) was reverted: \(reason)")
    }
  }
}

/// The requests that the flow sends to the oracle.
struct OracleClient: Sendable {
  let url: String

  /// - Throws: unless the oracle says that it serves.
  func requireReady() async throws {
    let (status, _) = try await get("\(url)/ready")
    guard status == .ok else {
      throw CommandFailure.failed("\(url)/ready answered \(status.code)")
    }
  }

  /// The tokens that the oracle stored for an agent.
  func tokensProcessed(by agent: Address) async throws -> Int64 {
    let route = "\(url)/api/v1/agents/\(agent.lowercaseHex)"
    let (status, body) = try await get(route)
    guard status == .ok, let answer = try? JSON.parse(Array(body.readableBytesView)),
      let tokens = answer["processed_tokens"]?.integerValue
    else {
      throw CommandFailure.failed(
        "\(route) answered \(status.code): \(String(buffer: body).prefix(200))")
    }
    return tokens
  }

  /// A whole answer within ten seconds: the client's own time-out ends with the answer's head.
  private func get(_ url: String) async throws -> (HTTPResponseStatus, ByteBuffer) {
    try await withDeadline(.seconds(10), "\(url) gave no whole answer") {
      let response = try await HTTPClient.shared.execute(
        HTTPClientRequest(url: url), timeout: .seconds(10))
      return (response.status, try await response.body.collect(upTo: 1 << 20))
    }
  }
}
