import EthereumPrimitives
import PlumiseWire

/// What the deployed dialect shows of the oracle's books (Wire.md, deployed dialect).
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
