import Foundation
import PlumiseWire

/// The figures of a load test.
struct LoadReport: Sendable {
  let sent: Int
  let succeeded: Int
  let elapsed: Duration
  /// Of the successes at 50, 90, 99 and 100 %; nil when there was none.
  let percentiles: [Duration?]
  /// Reasons with their counts, the most frequent first.
  let failures: [(reason: String, count: Int)]

  private static let names = ["p50", "p90", "p99", "max"]

  /// Answers as hoped for, a second.
  var rate: Double { Double(succeeded) / max(elapsed / .seconds(1), .leastNormalMagnitude) }

  var json: JSON {
    [
      "sent": .integer(sent), "succeeded": .integer(succeeded),
      "seconds": .seconds(elapsed), "per_second": .decimal(rate, places: 1),
      "latency_ms": .object(
        JSONObject(
          uniqueMembers: zip(Self.names, percentiles).map {
            ($0, $1.map(JSON.milliseconds) ?? .null)
          })),
      "failures": .array(
        failures.map { ["reason": .string($0.reason), "count": .integer($0.count)] }),
    ]
  }

  var text: String {
    let latencies = zip(Self.names, percentiles).map { name, value in
      "\(name) \(value.map { Self.number($0 / .milliseconds(1)) } ?? "–")"
    }
    let lines = [
      "\(succeeded) of \(sent) succeeded in \(Self.number(elapsed / .seconds(1))) s, "
        + "\(Self.number(rate)) a second",
      "latency in ms: " + latencies.joined(separator: "  "),
    ]
    return (lines + failures.map { "\($0.count) × \($0.reason)" }).joined(separator: "\n")
  }

  private static func number(_ value: Double) -> String {
    value.formatted(.number.precision(.significantDigits(1...4)).grouping(.never))
  }
}
