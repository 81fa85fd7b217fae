import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire
import TextKeys

/// Why a read of the deployed dialect is answered with an error.
enum ReadError: Error {
  case badRequest(String)
  case notFound(String)
  case pipeline(String)
  case rejected(RejectionReason)

  var response: WebResponse {
    switch self {
    case .badRequest(let text): DeployedDialect.error(.string(text), status: .badRequest)
    case .notFound(let text): DeployedDialect.error(.string(text), status: .notFound)
    case .pipeline(let text): DeployedDialect.pipelineError(text)
    case .rejected(let reason): DeployedDialect.answer(to: reason)
    }
  }
}

/// Handlers of the deployed dialect's reads, in the order of ``DeployedRoutes/table``.
extension MockOracle {
  func readSummary(_ routed: RoutedRequest) async throws(ReadError) -> JSON {
    let epoch = try await epoch(of: routed)
    return DeployedReads.summary(reportStore.read { $0.epochs.agents(in: epoch) }, epoch: epoch)
  }

  func readMetrics(_ routed: RoutedRequest) async throws(ReadError) -> JSON {
    let text = routed["address"]
    let epoch = try await epoch(of: routed)
    // What fails to parse is no agent's address, and nothing is known about it.
    let record = (try? Address(text)).flatMap { self.epoch(epoch, of: $0) }
    return DeployedReads.metrics(record, of: text)
  }

  func readHistory(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    let text = routed["address"]
    let limit = try routed.number("limit", error: "Invalid limit") ?? 50
    // What fails to parse is no agent's address, and nothing is known about it.
    let records = (try? Address(text)).map { history(of: $0) } ?? []
    return DeployedReads.history(records, of: text, limit: Int(max(0, limit)))
  }

  func readProofs(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    let agent = try routed.address()
    let message = "Invalid limit (1-1000)"
    let limit = try routed.number("limit", error: message) ?? 100
    guard (1...1000).contains(limit) else { throw .badRequest(message) }
    // Nothing here verifies a proof on the chain.
    let isVerified = routed.request.query["verified"] == "true"
    let proofs = isVerified ? [] : reportStore.proofs(of: agent)
    return DeployedReads.proofs(proofs, of: routed["address"], limit: Int(limit))
  }

  func readProofStatistics(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    let agent = try routed.address()
    let epoch = try routed.epoch()
    return DeployedReads.proofStatistics(
      tally(of: agent, in: epoch), of: routed["address"], epoch: epoch)
  }

  func readNodes(_ routed: RoutedRequest) async throws(ReadError) -> JSON {
    let epoch = try await epochForReads()
    return DeployedReads.nodes(activeNodes.map { ($0, score(of: $0, in: epoch)) })
  }

  func readNode(_ routed: RoutedRequest) async throws(ReadError) -> JSON {
    let now = configuration.unixClock.seconds
    let epoch = try await epochForReads()
    guard let node = node(try routed.address()) else { throw .badRequest("Node not found") }
    let isActive = registry.read { $0.nodes.isActive(node, at: now) }
    return DeployedReads.node(node, score: score(of: node, in: epoch), isActive: isActive)
  }

  func readAgents(_ routed: RoutedRequest) -> JSON {
    .array(agents.map { DeployedReads.agent($0, contributions: nil) })
  }

  func readAgent(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    // What fails to parse is no agent's address.
    guard let address = try? Address(routed["address"]), let record = agent(address) else {
      throw .notFound("Agent not found")
    }
    return DeployedReads.agent(record, contributions: history(of: address))
  }

  func readTopology(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    guard let model = routed.request.query["model"], !model.isEmpty else {
      throw .pipeline("Model parameter is required")
    }
    return DeployedReads.topology(topology(of: model), of: model)
  }

  /// The epoch that the query asks for; the current one where it names none.
  private func epoch(of routed: RoutedRequest) async throws(ReadError) -> UInt64 {
    if let epoch = try routed.epoch() { return UInt64(max(0, epoch)) }
    return try await epochForReads()
  }

  private func epochForReads() async throws(ReadError) -> UInt64 {
    do throws(RejectionReason) { return try await currentEpoch() } catch { throw .rejected(error) }
  }

  /// What an agent did, latest epoch first.
  private func history(of agent: Address) -> [EpochRecord] {
    reportStore.read { $0.epochs.history(of: agent) }
  }

  /// How many proofs an agent has shown, in an epoch or in all.
  private func tally(of agent: Address, in epoch: Int64?) -> ProofTally {
    guard let epoch else { return self.agent(agent)?.proofs ?? ProofTally() }
    // An epoch below zero is none.
    return UInt64(exactly: epoch).flatMap { self.epoch($0, of: agent)?.proofs } ?? ProofTally()
  }

  private func score(of node: RegisteredNode, in epoch: UInt64) -> Double {
    self.epoch(epoch, of: node.address).map { AgentScore($0).live } ?? 0
  }
}

extension RoutedRequest {
  /// The account in the path.
  fileprivate func address() throws(ReadError) -> Address {
    do { return try Address(self["address"]) } catch { throw .badRequest("Invalid address") }
  }

  fileprivate func epoch() throws(ReadError) -> Int64? {
    try number("epoch", error: "Invalid epoch number")
  }

  /// A parameter of the query as JavaScript's parseInt reads it: the digits in front count, an
  /// empty one is none.
  fileprivate func number(_ name: String, error: String) throws(ReadError) -> Int64? {
    guard let text = request.query[name], !text.isEmpty else { return nil }
    // Scalar by scalar: a digit counts whatever mark stands on it.
    let trimmed = text.unicodeScalars.drop(while: \.properties.isWhitespace)
    let sign = trimmed.prefix { $0 == "-" || $0 == "+" }.prefix(1)
    let digits = trimmed.dropFirst(sign.count).prefix { ("0"..."9").contains($0) }
    guard !digits.isEmpty else { throw .badRequest(error) }
    return Int64(String(sign) + String(digits)) ?? (sign.first == "-" ? .min : .max)
  }
}

/// The JSON of what the deployed dialect shows of ledger, registry and pipelines (Wire.md, deployed
/// dialect).
enum DeployedReads {
  static func metrics(_ record: EpochRecord?, of address: String) -> JSON {
    guard let record else { return ["address": .string(address), "metrics": nil] }
    var object: JSONObject = ["address": .string(record.address.lowercaseHex)]
    for member in metrics(record).members { object[member.key] = member.value }
    return .object(object)
  }

  static func history(_ records: [EpochRecord], of address: String, limit: Int) -> JSON {
    let shown = records.prefix(limit)
    return [
      "address": .string(address), "count": .integer(shown.count),
      "metrics": .array(shown.map { .object(metrics($0)) }),
    ]
  }

  static func summary(_ records: [EpochRecord], epoch: UInt64) -> JSON {
    // Sums of 64-bit counters, which 128 bits always hold.
    let tokens = records.reduce(Int128(0)) { $0 + Int128($1.processedTokens) }
    let requests = records.reduce(Int128(0)) { $0 + Int128($1.requestCount) }
    return [
      "epoch": .integer(epoch), "totalAgents": .integer(records.count),
      "totalTokens": .string(String(tokens)),
      "avgLatency": number(mean(records.map(\.averageLatencyMilliseconds))),
      "totalRequests": .integer(requests),
    ]
  }

  static func proofs(_ proofs: [AccountedProof], of address: String, limit: Int) -> JSON {
    // The latest first.
    let shown = proofs.reversed().prefix(limit)
    return [
      "address": .string(address), "count": .integer(shown.count),
      "proofs": .array(shown.map(proof)),
    ]
  }

  static func proofStatistics(_ proofs: ProofTally, of address: String, epoch: Int64?) -> JSON {
    var object: JSONObject = ["address": .string(address)]
    object["epoch"] = epoch.map { .integer($0) }
    // Nothing here verifies a proof on the chain.
    object["totalProofs"] = .integer(proofs.count)
    object["verifiedProofs"] = 0
    object["pendingProofs"] = .integer(proofs.count)
    object["verifiedTokens"] = "0"
    object["verificationRate"] = 0
    object["totalTokens"] = .string(String(proofs.tokens))
    return .object(object)
  }

  static func nodes(_ nodes: [(node: RegisteredNode, score: Double)]) -> JSON {
    [
      "count": .integer(nodes.count),
      "nodes": .array(
        nodes.map { node, score in
          [
            "address": .string(node.address.lowercaseHex), "endpoint": .string(node.endpoint),
            "status": "active", "score": number(score),
            "lastHeartbeat": .string(String(node.lastHeartbeat)),
            "capabilities": .array(node.capabilities.map { .string($0) }),
          ]
        }),
    ]
  }

  static func node(_ node: RegisteredNode, score: Double, isActive: Bool) -> JSON {
    [
      "address": .string(node.address.lowercaseHex), "endpoint": .string(node.endpoint),
      "capabilities": .array(node.capabilities.map { .string($0) }),
      "status": isActive ? "active" : "inactive", "score": number(score),
      "lastHeartbeat": .string(String(node.lastHeartbeat)),
      "lastMetricReport": .string(String(node.lastMetricReport)),
      "createdAt": .string(String(node.createdAt)),
      "updatedAt": .string(String(node.lastHeartbeat)),
    ]
  }

  static func topology(_ nodes: [PipelineNode], of model: String) -> JSON {
    [
      "model": .string(model), "nodes": .array(nodes.map(\.json)),
      "count": .integer(nodes.count),
    ]
  }

  static func agent(_ record: AgentRecord, contributions: [EpochRecord]?) -> JSON {
    var object: JSONObject = [
      "wallet": .string(record.address.lowercaseHex),
      "tokensProcessed": .string(String(record.processedTokens)),
      "requestCount": .integer(record.tasksCompleted),
      "uptimeSeconds": .integer(record.uptimeSeconds),
      "updatedAt": .string(String(record.lastTimestamp)),
    ]
    object["contributions"] = contributions.map { records in
      .array(records.map(contribution))
    }
    return .object(object)
  }

  private static func contribution(_ record: EpochRecord) -> JSON {
    let score = AgentScore(record)
    return [
      "epoch": .integer(record.epoch), "taskCount": .integer(score.taskCount),
      "uptimeSeconds": .integer(score.uptimeSeconds),
      "responseScore": .integer(score.responseScore),
      "processedTokens": .string(String(score.processedTokens)),
      "avgLatencyInv": .integer(score.averageLatencyInverse),
      "lastUpdated": .string(String(record.lastUpdated)),
    ]
  }

  private static func proof(_ held: AccountedProof) -> JSON {
    [
      "epoch": .integer(held.epoch), "modelHash": .string(held.proof.modelHash),
      "inputHash": .string(held.proof.inputHash), "outputHash": .string(held.proof.outputHash),
      "tokenCount": .integer(held.proof.tokenCount), "verified": false,
      "verificationTxHash": nil, "verifiedAt": nil,
    ]
  }

  /// The mean of finite numbers, which is finite even where their sum is not; 0 of none.
  private static func mean(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    let count = Double(values.count)
    let sum = values.reduce(0, +)
    return sum.isFinite ? sum / count : values.reduce(0) { $0 + $1 / count }.clampedToFinite
  }

  private static func metrics(_ record: EpochRecord) -> JSONObject {
    [
      "epoch": .integer(record.epoch),
      "tokensProcessed": .string(String(record.processedTokens)),
      "avgLatencyMs": number(record.averageLatencyMilliseconds),
      "requestCount": .integer(record.requestCount),
      "uptimeSeconds": .integer(record.uptimeSeconds),
      "lastUpdated": .string(String(record.lastUpdated)),
    ]
  }

  private static func number(_ value: Double) -> JSON { .number(JSONNumber(javaScript: value)) }
}
