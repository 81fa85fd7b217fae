import EthereumPrimitives
import PlumiseWire

/// What the deployed dialect shows of the oracle's books (WIRE §2.2).
enum DeployedReads {
  static func metrics(_ record: EpochRecord?, of address: String) -> JSON {
    record.map(metrics) ?? ["address": .string(address), "metrics": nil]
  }

  static func history(_ records: [EpochRecord], limit: Int) -> JSON {
    .array(records.prefix(limit).map(metrics))
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

  static func proofs(_ proofs: [StoredProof], of address: String) -> JSON {
    ["address": .string(address), "proofs": .array(proofs.map(DocumentedReads.proof))]
  }

  static func proofStatistics(_ proofs: [StoredProof], of address: String) -> JSON {
    [
      "address": .string(address), "totalProofs": .integer(proofs.count),
      "totalTokens": .string(String(proofs.reduce(Int128(0)) { $0 + Int128($1.tokenCount) })),
    ]
  }

  /// The mean of finite numbers, which is finite even where their sum is not; 0 of none.
  private static func mean(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    let count = Double(values.count)
    let sum = values.reduce(0, +)
    return sum.isFinite ? sum / count : values.reduce(0) { $0 + $1 / count }.clampedToFinite
  }

  private static func metrics(_ record: EpochRecord) -> JSON {
    [
      "address": .string(record.address.checksummed), "epoch": .integer(record.epoch),
      "tokensProcessed": .string(String(record.processedTokens)),
      "avgLatencyMs": number(record.averageLatencyMilliseconds),
      "requestCount": .integer(record.requestCount),
      "uptimeSeconds": .integer(record.uptimeSeconds),
      "lastUpdated": .string(String(record.lastUpdated)),
    ]
  }

  private static func number(_ value: Double) -> JSON { .number(JSONNumber(javaScript: value)) }
}
