import AsyncPrimitives
import Bloom
import EthereumClient
import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import MockWeb3
import OracleReporter
import PetalsNode
import PlumiseWire

/// The way of a scenario's client to a node, whichever life the node is in.
struct ScenarioTransport: BlockTransport {
  let node: ScenarioNode

  var peer: String { node.name }

  func info() async throws -> PeerInfo {
    try await carry { try await $0.node.transport.info() }
  }

  func forward(_ hidden: HiddenStates, through model: ServedBlocks) async throws -> HiddenStates {
    try await carry { try await $0.node.transport.forward(hidden, through: model) }
  }

  func backward(
    input: HiddenStates, outputGradient: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates {
    try await carry {
      try await $0.node.transport.backward(
        input: input, outputGradient: outputGradient, through: model)
    }
  }

  func openSession(_ opening: SessionOpening) async throws -> any BlockSession {
    try await carry { life in
      ScenarioSession(
        session: try await life.node.transport.openSession(opening), node: node, life: life)
    }
  }

  private func carry<Answer: Sendable>(
    _ handle: (NodeLife) async throws -> Answer
  ) async throws -> Answer {
    try await node.carry {
      guard let life = node.life else { throw node.unavailable("nobody listens") }
      let answer = try await handle(life)
      try node.check(life)
      return answer
    }
  }
}

/// A session with one life of a node.
struct ScenarioSession: BlockSession {
  let session: any BlockSession
  let node: ScenarioNode
  let life: NodeLife

  var peer: String { node.name }

  func step(_ hidden: HiddenStates, startFrom start: Int?) async throws -> StepResult {
    try await node.carry {
      try node.check(life)
      let answer = try await session.step(hidden, startFrom: start)
      try node.check(life)
      return answer
    }
  }

  func finish(_ summary: SessionSummary) async throws -> Int {
    try await node.carry {
      try node.check(life)
      let tokens = try await session.finish(summary)
      if summary.generatedTokens > 0 {
        let proof = summary.transcript.map {
          HistoryEvent.proof(
            input: $0.inputHash.hex, output: $0.outputHash.hex,
            tokens: Int64(summary.generatedTokens))
        }
        node.history.record(
          .counted(
            node: node.index, life: life.number, tokens: summary.generatedTokens, proof: proof))
      }
      return tokens
    }
  }

  func cancel() { session.cancel() }
}

extension HistoryEvent {
  /// A proof of an agent in a few characters.
  static func proof(input: String, output: String, tokens: Int64) -> String {
    "\(input.dropFirst(2).prefix(12))/\(output.dropFirst(2).prefix(12))/\(tokens)"
  }
}

/// The way of a node's reports to the oracle.
struct ScenarioReports: ReportTransport {
  let node: ScenarioNode
  let life: NodeLife.Identity
  let oracle: MockOracle
  let monitor: IdleMonitor

  func post(_ request: ReportRequest) async throws -> ReportAnswer {
    // All that answers it runs on the monitor, and is counted there.
    _ = monitor.hold(request.body)
    guard life.isAlive else { throw ScenarioLink.Failure.notDelivered }
    return try await node.oracleLink.carry {
      guard life.isAlive else { throw ScenarioLink.Failure.notDelivered }
      let answer = await deliver(request.body)
      node.noteReport(request.body, isAccepted: answer.status == 200)
      guard life.isAlive else { throw ScenarioLink.Failure.answerLost }
      return answer
    }
  }

  func deliver(_ body: [UInt8]) async -> ReportAnswer {
    let path = ReportDialect.documented.path
    let response = await oracle.respond(
      to: WebRequest(.post, path, headers: [.contentType: "application/json"], body: body))
    // Nothing ran since the oracle noted it.
    let entry = oracle.journal.entries.last
    node.history.record(
      .report(
        node: node.index, life: life.number,
        HistoryEvent.Report(
          timestamp: entry?.accepted?.timestamp,
          tokens: entry?.accepted?.processedTokens ?? 0,
          proofs: entry?.accepted?.proofs.count ?? 0, status: Int(response.status.code),
          isAccepted: entry?.accepted != nil)))
    return ReportAnswer(status: Int(response.status.code), body: response.body)
  }
}

/// The way of an account to the chain.
struct ScenarioRPC: RPCTransport {
  let chain: MockWeb3
  let link: ScenarioLink
  let history: HistoryRecorder
  let monitor: IdleMonitor
  /// The node whose agent's account it is; nil for another account.
  var node: Int?
  /// Whether the account's process is there.
  var isAlive: @Sendable () -> Bool = { true }

  func send(_ body: [UInt8]) async throws -> [UInt8] {
    _ = monitor.hold(body)
    do {
      return try await link.carry {
        guard isAlive() else { throw ScenarioLink.Failure.notDelivered }
        guard let answer = await chain.respond(to: body) else {
          throw ScenarioLink.Failure.answerLost
        }
        note(body, answer)
        return answer
      }
    } catch let failure as ScenarioLink.Failure {
      switch failure {
      case .notDelivered: throw ChainError.connectionRefused(url: link.name)
      case .answerLost: throw ChainError.connectionLost(url: link.name, reason: "\(failure)")
      }
    }
  }

  private func note(_ body: [UInt8], _ answer: [UInt8]) {
    let requests: [RPCRequest] =
      switch RPCIncoming(body) {
      case .single(.request(let request)): [request]
      case .single: []
      case .batch(let elements):
        elements.compactMap { element -> RPCRequest? in
          guard case .request(let request) = element else { return nil }
          return request
        }
      }
    let responses: [RPCResponse] =
      switch try? RPCReply(answer) {
      case .single(let response): [response]
      case .batch(let responses): responses
      case nil: []
      }
    for request in requests {
      guard let response = responses.first(where: { $0.id == request.id }) else { continue }
      switch request.method {
      case "eth_sendRawTransaction": noteTransaction(request, response)
      case "eth_getTransactionReceipt": noteReceipt(response)
      default: break
      }
    }
  }

  private func noteTransaction(_ request: RPCRequest, _ response: RPCResponse) {
    guard let text = request.params.first?.stringValue, let raw = try? Hex.decode(text),
      let signed = try? SignedTransaction(raw: raw), let sender = try? signed.sender()
    else { return }
    var refusal: String?
    // A chain that has these bytes already says so to whoever sends them again.
    if case .failure(let failure) = response.outcome, failure.message != "already known",
      chain.transaction(signed.hash) == nil
    {
      refusal = failure.message
    }
    let transaction = signed.transaction
    let call = Keccak256.hash((transaction.to?.bytes ?? []) + transaction.data)
    history.record(
      .transaction(
        HistoryEvent.Sent(
          hash: signed.hash, node: node, sender: sender, nonce: transaction.nonce, call: call,
          refusal: refusal)))
  }

  private func noteReceipt(_ response: RPCResponse) {
    guard case .success(let receipt) = response.outcome,
      let hash = receipt["transactionHash"]?.stringValue.flatMap({ try? Hash32($0) }),
      let block = receipt["blockHash"]?.stringValue.flatMap({ try? Hash32($0) }),
      let text = receipt["blockNumber"]?.stringValue,
      let number = UInt64(text.dropFirst(2), radix: 16)
    else { return }
    history.record(
      .receipt(hash, block: number, isOnChain: chain.block(number)?.hash == block))
  }
}
