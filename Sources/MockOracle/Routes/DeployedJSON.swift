import EthereumPrimitives
import Foundation
import PlumiseWire

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
      "avgLatency": records.isEmpty
        ? 0 : .string(fixed(mean(records.map(\.averageLatencyMilliseconds)))),
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
    object["totalProofs"] = .integer(proofs.count)
    object["verifiedProofs"] = .integer(proofs.verifiedCount)
    object["pendingProofs"] = .integer(proofs.count - proofs.verifiedCount)
    object["verifiedTokens"] = .string(String(proofs.verifiedTokens))
    object["verificationRate"] = number(
      proofs.count == 0 ? 0 : Double(proofs.verifiedCount) / Double(proofs.count) * 100)
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
      "createdAt": date(node.createdAt), "updatedAt": date(node.lastHeartbeat),
    ]
  }

  /// The rows of a model's pipeline, and behind them the active nodes that say they serve all of the
  /// model by themselves.
  static func topology(
    _ entries: [PipelineTable.Entry], _ nodes: [RegisteredNode], of model: String, layers: Int
  ) -> JSON {
    let alone = nodes.filter { node in
      node.capabilities.contains(model) && !entries.contains { $0.address == node.address }
    }
    let listed =
      entries.map { entry($0, of: model) } + alone.map { standalone($0, of: model, layers: layers) }
    return [
      "model": .string(model), "nodes": .array(listed), "count": .integer(listed.count),
    ]
  }

  private static func entry(_ entry: PipelineTable.Entry, of model: String) -> JSON {
    [
      "id": .integer(entry.order + 1), "nodeAddress": .string(entry.address.lowercaseHex),
      "modelName": .string(model), "layerStart": .integer(entry.assignment.layerStart),
      "layerEnd": .integer(entry.assignment.layerEnd),
      "totalLayers": .integer(entry.assignment.totalLayers),
      "grpcEndpoint": .string(entry.grpcEndpoint), "httpEndpoint": .string(entry.httpEndpoint),
      "ramMb": .string(JSONNumber(javaScript: entry.ram).text),
      "device": .string(entry.device), "vramMb": .string(JSONNumber(javaScript: entry.vram).text),
      "benchmarkTokPerSec": number(entry.benchmark), "ready": .bool(entry.isReady),
      "pipelineOrder": .integer(entry.order), "nodeMode": "standalone", "clusterId": nil,
      "rpcPort": 50052, "lanIp": nil, "createdAt": date(entry.createdAt),
      "updatedAt": date(entry.seenAt),
    ]
  }

  private static func standalone(
    _ node: RegisteredNode, of model: String, layers: Int
  ) -> JSON {
    [
      "nodeAddress": .string(node.address.lowercaseHex), "modelName": .string(model),
      "layerStart": 0, "layerEnd": .integer(layers), "totalLayers": .integer(layers),
      "grpcEndpoint": .string("standalone://\(node.address.lowercaseHex)"),
      "httpEndpoint": .string(node.endpoint), "ramMb": 0, "device": "auto", "vramMb": 0,
      "ready": true, "pipelineOrder": 999, "createdAt": date(node.createdAt),
      "updatedAt": date(node.lastHeartbeat),
    ]
  }

  /// Each epoch in sum, oldest first.
  /// - Parameter epochs: the rows of each, latest first.
  static func throughput(_ epochs: [[EpochRecord]]) -> JSON {
    .array(
      epochs.reversed().map { records in
        let tokens = records.reduce(Int128(0)) { $0 + Int128($1.processedTokens) }
        let uptime = records.map(\.uptimeSeconds).max() ?? 0
        return [
          "epoch": .integer(records.first?.epoch ?? 0), "totalTokens": .string(String(tokens)),
          "agentCount": .integer(records.count),
          "totalRequests": .integer(records.reduce(Int128(0)) { $0 + Int128($1.requestCount) }),
          "avgLatency": .string(fixed(mean(records.map(\.averageLatencyMilliseconds)))),
          "maxUptime": .integer(uptime),
          "throughputTokPerSec": .string(fixed(uptime == 0 ? 0 : Double(tokens) / Double(uptime))),
        ]
      })
  }

  /// What each agent can do: the epoch's rows, then the nodes without one that named a benchmark.
  static func capacity(
    _ records: [EpochRecord], in epoch: UInt64, nodes: [Address: RegisteredNode],
    machines: [Address: PipelineTable.Entry]
  ) -> JSON {
    let reported = Set(records.map(\.address))
    let rest = nodes.values.filter { node in
      !reported.contains(node.address) && (node.benchmarkTokensPerSecond ?? 0) > 0
    }.sorted { $0.address < $1.address }
    let rows = records + rest.map { EpochRecord(address: $0.address, epoch: epoch) }
    return .array(rows.map { capacity($0, nodes[$0.address], machines[$0.address]) })
  }

  private static func capacity(
    _ record: EpochRecord, _ node: RegisteredNode?, _ machine: PipelineTable.Entry?
  ) -> JSON {
    let uptime = record.uptimeSeconds
    let speed = uptime == 0 ? 0 : Double(record.processedTokens) / Double(uptime)
    func megabytes(_ number: Double?) -> JSON {
      number.map { .string(JSONNumber(javaScript: $0).text) } ?? 0
    }
    return [
      "address": .string(record.address.lowercaseHex), "epoch": .integer(record.epoch),
      "tokensProcessed": .string(String(record.processedTokens)),
      "requestCount": .integer(record.requestCount), "uptimeSeconds": .integer(uptime),
      "avgLatencyMs": number(record.averageLatencyMilliseconds),
      "throughputTokPerSec": .string(fixed(speed)),
      "benchmarkTokPerSec": number(node?.benchmarkTokensPerSecond ?? machine?.benchmark ?? 0),
      "device": .string(machine?.device ?? "unknown"), "ramMb": megabytes(machine?.ram),
      "vramMb": megabytes(machine?.vram),
    ]
  }

  private static func proof(_ held: AccountedProof) -> JSON {
    let proof = held.proof
    var object: JSONObject = [
      "id": .integer(held.number), "epoch": .integer(held.epoch),
      "modelHash": .string(proof.modelHash), "inputHash": .string(proof.inputHash),
      "outputHash": .string(proof.outputHash), "tokenCount": .string(String(proof.tokenCount)),
      "verified": .bool(proof.isVerified),
    ]
    // A proof that was not verified has neither.
    if proof.isVerified { object["verificationTxHash"] = .string(held.verificationHash) }
    object["createdAt"] = date(held.createdAt)
    if proof.isVerified { object["verifiedAt"] = date(held.createdAt) }
    return .object(object)
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

  /// A number with two decimals, as JavaScript's toFixed prints it: exactly between two, upward.
  static func fixed(_ value: Double) -> String {
    // Beyond that toFixed prints no decimals either.
    guard value.magnitude < 1e21 else { return JSONNumber(javaScript: value).text }
    // Only odd eighths lie exactly between two numbers of two decimals.
    let isTie = (value * 8).truncatingRemainder(dividingBy: 2) == 1
    return String(format: "%.2f", isTie ? value.nextUp : value)
  }

  /// A time as JavaScript's toISOString prints it: with milliseconds, in UTC.
  static func date(_ seconds: Int64) -> JSON { date(.seconds(seconds)) }

  /// A time as JavaScript's toISOString prints it.
  static func date(_ time: Duration) -> JSON {
    // Dates end at the year 275 760, where JavaScript's do.
    let limit = 8_640_000_000_000.0
    let time = Date(timeIntervalSince1970: min(max(time / .seconds(1), -limit), limit))
    return .string(
      time.formatted(
        .iso8601.year().month().day().time(includingFractionalSeconds: true)
          .timeZone(separator: .omitted)))
  }
}
