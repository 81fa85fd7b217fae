import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire

/// What the deployed dialect shows of the oracle's reportStore (Wire.md, deployed dialect).
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

  static func proofs(_ proofs: [HeldProof], of address: String, limit: Int) -> JSON {
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

  private static func proof(_ held: HeldProof) -> JSON {
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

/// What the deployed dialect answers to reads (Wire.md, deployed dialect).
extension MockOracle {
  /// Why a read is answered with an error.
  private enum Complaint: Error {
    case badRequest(String)
    case notFound(String)
    case pipeline(String)
    case refusal(RejectionReason)

    var response: WebResponse {
      switch self {
      case .badRequest(let text): DeployedDialect.error(.string(text), status: .badRequest)
      case .notFound(let text): DeployedDialect.error(.string(text), status: .notFound)
      case .pipeline(let text): DeployedDialect.pipelineError(text)
      case .refusal(let refusal): DeployedDialect.answer(to: refusal)
      }
    }
  }

  /// The answer to a read, or `nil` where there is no such route.
  func readDeployed(_ request: WebRequest) async -> Reply? {
    do throws(Complaint) {
      let json =
        if let rest = request.segments(after: "/api/v1/metrics") {
          try await readMetrics(rest, request)
        } else if let rest = request.segments(after: "/api/v1/proofs") {
          try readProofs(rest, request)
        } else if let rest = request.segments(after: "/api/nodes") {
          try await readNodes(rest)
        } else if let rest = request.segments(after: "/api/agents") {
          try readAgents(rest)
        } else if request.path == "/api/v1/pipeline/topology" {
          try readTopology(request)
        } else {
          JSON?.none
        }
      return json.map { .served($0, dialect: .deployed) }
    } catch {
      return Reply(response: error.response, outcome: .served, dialect: .deployed)
    }
  }

  private func readMetrics(
    _ path: [String], _ request: WebRequest
  ) async throws(Complaint) -> JSON? {
    switch path.first {
    case "summary" where path.count == 1:
      let epoch = try await epoch(asked: request)
      return DeployedReads.summary(reportStore.read { $0.epochs.agents(in: epoch) }, epoch: epoch)
    case "agents" where path.count == 2:
      let epoch = try await epoch(asked: request)
      // What fails to parse is no agent's address, and nothing is known about it.
      let record = (try? Address(path[1])).flatMap { self.epoch(epoch, of: $0) }
      return DeployedReads.metrics(record, of: path[1])
    case "agents" where path.count == 3 && path[2] == "history":
      let limit = try number("limit", of: request, orElse: 50, error: "Invalid limit")
      // What fails to parse is no agent's address, and nothing is known about it.
      let records =
        (try? Address(path[1])).map { address in reportStore.read { $0.epochs.history(of: address) }
        }
        ?? []
      return DeployedReads.history(records, of: path[1], limit: Int(max(0, limit)))
    default: return nil
    }
  }

  private func readProofs(_ path: [String], _ request: WebRequest) throws(Complaint) -> JSON? {
    guard let text = path.first, path.count == 1 || path[1...] == ["stats"] else { return nil }
    let agent = try address(text)
    if path.count == 2 {
      let epoch = try optionalNumber("epoch", of: request, error: "Invalid epoch number")
      return DeployedReads.proofStatistics(
        tally(of: agent, in: epoch), of: text, epoch: epoch)
    }
    let complaint = "Invalid limit (1-1000)"
    let limit = try number("limit", of: request, orElse: 100, error: complaint)
    guard (1...1000).contains(limit) else { throw .badRequest(complaint) }
    // Nothing here verifies a proof on the chain.
    let asked = request.query["verified"] == "true" ? [] : reportStore.proofs(of: agent)
    return DeployedReads.proofs(asked, of: text, limit: Int(limit))
  }

  /// How many proofs an agent has shown, in an epoch or in all.
  private func tally(of agent: Address, in epoch: Int64?) -> ProofTally {
    guard let epoch else { return self.agent(agent)?.proofs ?? ProofTally() }
    // An epoch below zero is none.
    return UInt64(exactly: epoch).flatMap { self.epoch($0, of: agent)?.proofs } ?? ProofTally()
  }

  private func readNodes(_ path: [String]) async throws(Complaint) -> JSON? {
    let now = configuration.unixClock.seconds
    let epoch: UInt64
    do throws(RejectionReason) { epoch = try await currentEpoch() } catch { throw .refusal(error) }
    func score(_ node: RegisteredNode) -> Double {
      self.epoch(epoch, of: node.address).map { AgentScore($0).live } ?? 0
    }
    switch path.count {
    case 0: return DeployedReads.nodes(activeNodes.map { ($0, score($0)) })
    case 1:
      guard let node = node(try address(path[0])) else { throw .badRequest("Node not found") }
      let isActive = registry.read { $0.nodes.isActive(node, at: now) }
      return DeployedReads.node(node, score: score(node), isActive: isActive)
    default: return nil
    }
  }

  private func readAgents(_ path: [String]) throws(Complaint) -> JSON? {
    switch path.count {
    case 0: return .array(agents.map { DeployedReads.agent($0, contributions: nil) })
    case 1:
      // What fails to parse is no agent's address.
      guard let address = try? Address(path[0]), let record = agent(address) else {
        throw .notFound("Agent not found")
      }
      return DeployedReads.agent(
        record, contributions: reportStore.read { $0.epochs.history(of: address) })
    default: return nil
    }
  }

  private func readTopology(_ request: WebRequest) throws(Complaint) -> JSON {
    guard let model = request.query["model"], !model.isEmpty else {
      throw .pipeline("Model parameter is required")
    }
    return DeployedReads.topology(topology(of: model), of: model)
  }

  private func address(_ text: String) throws(Complaint) -> Address {
    do { return try Address(text) } catch { throw .badRequest("Invalid address") }
  }

  private func epoch(asked request: WebRequest) async throws(Complaint) -> UInt64 {
    if let epoch = try optionalNumber("epoch", of: request, error: "Invalid epoch number") {
      return UInt64(max(0, epoch))
    }
    do throws(RejectionReason) { return try await currentEpoch() } catch { throw .refusal(error) }
  }

  private func number(
    _ name: String, of request: WebRequest, orElse usual: Int64, error: String
  ) throws(Complaint) -> Int64 {
    try optionalNumber(name, of: request, error: error) ?? usual
  }

  /// A parameter as JavaScript's parseInt reads it: the digits in front count, an empty one is
  /// none.
  private func optionalNumber(
    _ name: String, of request: WebRequest, error: String
  ) throws(Complaint) -> Int64? {
    guard let text = request.query[name], !text.isEmpty else { return nil }
    // Scalar by scalar: a digit counts whatever mark stands on it.
    let trimmed = text.unicodeScalars.drop(while: \.properties.isWhitespace)
    let sign = trimmed.prefix { $0 == "-" || $0 == "+" }.prefix(1)
    let digits = trimmed.dropFirst(sign.count).prefix { ("0"..."9").contains($0) }
    guard !digits.isEmpty else { throw .badRequest(error) }
    return Int64(String(sign) + String(digits)) ?? (sign.first == "-" ? .min : .max)
  }
}
