import Foundation
import PlumiseWire

/// Values of one kind, sorted, with their percentiles.
struct Distribution: Sendable {
  /// The shares that are reported, by their names.
  static let shares: [(name: String, share: Double)] = [
    ("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999),
    ("max", 1),
  ]

  /// The smallest first.
  let values: [Double]

  init(_ values: [Double]) { self.values = values.sorted() }

  /// The value that a share of all does not exceed (nearest rank); nil without values.
  func percentile(_ share: Double) -> Double? {
    guard !values.isEmpty else { return nil }
    let rank = Int((share * Double(values.count)).rounded(.up))
    return values[min(values.count, max(1, rank)) - 1]
  }

  var mean: Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  /// How many values lie in each of as many parts of equal width as fit the number of values.
  var histogram: [(from: Double, to: Double, count: Int)] {
    guard let least = values.first, let most = values.last else { return [] }
    let count = min(60, max(1, Int(Double(values.count).squareRoot().rounded(.up))))
    let width = most > least ? (most - least) / Double(count) : 1
    var counts = [Int](repeating: 0, count: count)
    for value in values { counts[min(count - 1, Int((value - least) / width))] += 1 }
    return counts.enumerated().map { index, number in
      (least + Double(index) * width, least + Double(index + 1) * width, number)
    }
  }

  var json: JSON {
    var object: JSONObject = [
      "count": .integer(values.count),
      "mean": mean.map { .decimal($0, places: 3) } ?? .null,
    ]
    for (name, share) in Self.shares {
      object[name] = percentile(share).map { .decimal($0, places: 3) } ?? .null
    }
    return .object(object)
  }

  /// The distribution for a plot: bars, and the shares of values up to a hundred of them.
  var plotJSON: JSON {
    [
      "histogram": .array(
        histogram.map { bar in
          [
            "from_ms": .decimal(bar.from, places: 3), "to_ms": .decimal(bar.to, places: 3),
            "count": .integer(bar.count),
          ]
        }),
      "cdf": .array(
        values.isEmpty
          ? []
          : (0...100).map { step in
            let share = Double(step) / 100
            return [.decimal(percentile(share) ?? 0, places: 3), .decimal(share, places: 2)]
          }),
    ]
  }
}

/// The figures of one second of a load.
struct LoadSecond: Sendable {
  /// Counted from the first second of the load on.
  let second: Int
  let due: Int
  let succeeded: Int
  let failed: Int
  /// Of the requests that were due in it.
  let latencies: Distribution

  var json: JSON {
    [
      "second": .integer(second), "due": .integer(due), "succeeded": .integer(succeeded),
      "failed": .integer(failed),
      "p50_ms": latencies.percentile(0.5).map { .decimal($0, places: 3) } ?? .null,
      "p99_ms": latencies.percentile(0.99).map { .decimal($0, places: 3) } ?? .null,
    ]
  }
}

/// The figures of a load test: made of the records alone, without those of the warm-up.
struct LoadFigures: Sendable {
  let sent: Int
  let succeeded: Int
  /// From the end of the warm-up to the last answer.
  let seconds: Double
  let distributions: [LoadMeasure: Distribution]
  let tokens: Int
  /// How much later than they were due requests were sent, in milliseconds: what this program
  /// itself adds to the latencies of an open loop.
  let sendingDelays: Distribution
  /// Successes that keep every goal; nil without goals.
  let good: Int?
  /// Reasons with their counts, the most frequent first.
  let failures: [(reason: String, count: Int)]
  let series: [LoadSecond]

  /// - Parameters:
  ///   - records: All requests.
  ///   - warmUp: Requests that were due before it are not counted, in seconds.
  ///   - elapsed: To the last answer.
  ///   - goals: What an answer must keep to be good.
  init(_ records: [LoadRecord], warmUp: Double, elapsed: Double, goals: LoadGoals?) {
    let counted = records.filter { $0.due >= warmUp }
    let successes = counted.filter(\.isGood)
    sent = counted.count
    succeeded = successes.count
    // A load that is ended within its warm-up counts nothing, in no time.
    seconds = max(0, elapsed - warmUp)
    tokens = successes.reduce(0) { $0 + $1.tokenCount }
    good = goals.map { goals in successes.count { goals.areMet(by: $0) } }
    var distributions: [LoadMeasure: Distribution] = [:]
    for measure in LoadMeasure.allCases {
      let values =
        measure == .itl
        ? successes.flatMap(\.interTokenMilliseconds) : successes.compactMap { $0.value(measure) }
      if !values.isEmpty || measure == .e2el { distributions[measure] = Distribution(values) }
    }
    self.distributions = distributions
    sendingDelays = Distribution(counted.map { 1000 * ($0.sent - $0.due) })
    var reasons: [String: Int] = [:]
    for case let failure? in counted.map(\.failure) {
      let isKnown = reasons[failure] != nil || reasons.count < Self.kinds
      reasons[isKnown ? failure : "other failures", default: 0] += 1
    }
    failures = reasons.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    series = Dictionary(grouping: counted) { Int($0.due) }.sorted { $0.key < $1.key }
      .map { second, records in
        let successes = records.filter(\.isGood)
        return LoadSecond(
          second: second, due: records.count, succeeded: successes.count,
          failed: records.count - successes.count,
          latencies: Distribution(successes.compactMap { $0.value(.e2el) }))
      }
  }

  /// More kinds of failure than this are counted together.
  private static let kinds = 20

  /// Successful requests a second.
  var rate: Double { perSecond(succeeded) }

  /// So many, by the second; none in no time.
  func perSecond(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

  var json: JSONObject {
    var object: JSONObject = [
      "sent": .integer(sent), "succeeded": .integer(succeeded),
      "seconds": .decimal(seconds, places: 4), "per_second": .decimal(rate, places: 1),
      "latency_ms": distributions[.e2el]?.json ?? .null,
    ]
    for (measure, distribution) in distributions.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      object[measure.rawValue + "_ms"] = distribution.json
    }
    if tokens > 0 {
      object["tokens_per_second"] = .decimal(perSecond(tokens), places: 1)
    }
    if let good { object["goodput_per_second"] = .decimal(perSecond(good), places: 1) }
    object["sending_delay_ms"] = sendingDelays.json
    object["failures"] = .array(
      failures.map { ["reason": .string($0.reason), "count": .integer($0.count)] })
    return object
  }

  /// The figures in lines.
  func text(in style: TerminalStyle = .plain) -> String {
    let summary = "\(succeeded) of \(sent) succeeded"
    var lines = [
      (failure == nil ? style.good(summary) : style.bad(summary))
        + " in \(ShortNumber.text(seconds)) s, \(ShortNumber.text(rate)) a second"
    ]
    if let good {
      lines.append(
        "goodput: \(good) kept the goals, \(ShortNumber.text(perSecond(good))) a second")
    }
    if tokens > 0 {
      lines.append("\(tokens) tokens, \(ShortNumber.text(perSecond(tokens))) a second")
    }
    var table = TextTable(
      [("ms", .left)] + Distribution.shares.map { ($0.name, .right) } + [("mean", .right)])
    for measure in [LoadMeasure.ttft, .tpot, .itl, .e2el] {
      guard let distribution = distributions[measure] else { continue }
      table.add(
        [measure.rawValue]
          + Distribution.shares.map { ShortNumber.text(distribution.percentile($0.share)) }
          + [ShortNumber.text(distribution.mean)])
    }
    let reasons = failures.map { style.bad("\($0.count) × \($0.reason)") }
    return (lines + table.lines + reasons).joined(separator: "\n")
  }
}
