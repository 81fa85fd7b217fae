import EthereumPrimitives
import JSONValues
import PlumiseWire

/// What wallets did for a gateway since it first used them: counters that only grow, as reports have
/// them.
struct WalletTotals: Sendable {
  /// The counters of one wallet.
  struct Record: Sendable, Hashable {
    let address: Address
    /// When the wallet was first used, and last, on the gateway's clock.
    let began: Duration
    var lastUsed: Duration
    /// Tokens of prompts, estimated, and of answers.
    var tokens: Int64 = 0
    var requests: Int64 = 0
    /// The sum of all latencies, in milliseconds.
    var latencySum: Double = 0

    var averageLatency: Double { requests == 0 ? 0 : latencySum / Double(requests) }
  }

  private(set) var records: [Address: Record] = [:]

  /// Counts a request that a wallet's node answered.
  mutating func add(
    _ address: Address, tokens: Int64, latency: Duration, at time: Duration
  ) {
    var record = records[address] ?? Record(address: address, began: time, lastUsed: time)
    record.lastUsed = time
    record.tokens = record.tokens.addingSaturated(tokens)
    record.requests += 1
    record.latencySum += latency / .milliseconds(1)
    records[address] = record
  }

  /// Forgets wallets that were idle, and returns the others by address.
  mutating func current(at time: Duration, idleTime: Duration) -> [Record] {
    records = records.filter { time - $0.value.lastUsed < idleTime }
    return records.values.sorted { $0.address < $1.address }
  }
}

extension WalletTotals.Record {
  /// The body of `POST /api/metrics`, where the gateway's key stands for a signature.
  /// - Parameters:
  ///   - time: the gateway's clock.
  ///   - timestamp: the time of day, in unix seconds.
  func report(at time: Duration, timestamp: Int64) -> JSON {
    [
      "wallet": .string(address.checksummed), "tokensProcessed": .integer(tokens),
      "avgLatencyMs": .number(JSONNumber(javaScript: averageLatency)),
      "uptimeSeconds": .integer((time - began).components.seconds),
      "requestCount": .integer(requests), "timestamp": .integer(timestamp),
      "signature": "internal",
    ]
  }
}
