import EthereumPrimitives
import InferenceMetrics
import PlumiseWire

/// A report that is ready to be sent.
struct ComposedReport: Sendable {
  let body: [UInt8]
  let timestamp: Int64
  let metrics: InferenceMetrics
  /// What it says of the tokens.
  let tokens: TokenCounter.Reading
  /// The proofs to remove from the buffer once the report is accepted.
  let batch: ProofBuffer.Batch
  /// How many proofs the body carries.
  let proofCount: Int

  /// Whether the same bytes must be sent again when no answer came: the proofs would be reported
  /// twice in another report, and a restarted counter counted twice.
  var mustBeResentUnchanged: Bool { proofCount > 0 || tokens.isRestart }
}

/// Makes signed reports of what a collector holds, in one of the dialects.
struct ReportComposer {
  let dialect: ReportDialect
  let key: SecretKey
  let collector: MetricsCollector
  let unixClock: UnixClock
  private(set) var counter: TokenCounter

  init(
    dialect: ReportDialect, key: SecretKey, collector: MetricsCollector, unixClock: UnixClock
  ) {
    self.dialect = dialect
    self.key = key
    self.collector = collector
    self.unixClock = unixClock
    counter = TokenCounter(limit: dialect.maximumTokens)
  }

  /// Whether something waits that the last report had no room for: proofs, or tokens beyond what
  /// the oracle takes at once.
  var hasMore: Bool { collector.proofs.count > 0 || counter.isBehind }

  /// Makes a report of this moment.
  ///
  /// Its timestamp is strictly above the last one, even within one second; it carries as many of
  /// the waiting proofs as fit into the longest body that the oracle takes.
  /// - Parameter isCertain: whether the outcome of every earlier report is known.
  func compose(after lastTimestamp: Int64, isCertain: Bool) -> ComposedReport {
    let timestamp = max(unixClock.seconds, lastTimestamp + 1)
    let metrics = collector.snapshot
    let tokens = counter.reading(of: metrics.totalTokens, isCertain: isCertain)
    var batch = collector.proofs.batch(limit: dialect.maximumProofs)
    while true {
      let proofs = dialect.accepted(of: batch.proofs)
      let body = serialize(metrics, tokens: tokens.value, timestamp: timestamp, proofs: proofs)
      if body.count <= dialect.longestBody || batch.isEmpty {
        return ComposedReport(
          body: body, timestamp: timestamp, metrics: metrics, tokens: tokens, batch: batch,
          proofCount: proofs.count)
      }
      batch = collector.proofs.batch(limit: batch.proofs.count / 2)
    }
  }

  /// Removes what an accepted report carried.
  mutating func acknowledge(_ report: ComposedReport) {
    collector.proofs.acknowledge(report.batch)
    counter.accept(report.tokens)
  }

  /// Records that a report may have been accepted.
  mutating func markUnresolved(_ report: ComposedReport) {
    counter.mayHaveBeenAccepted(report.tokens)
  }

  /// Whether the oracle still takes a report of this age.
  func isFresh(_ report: ComposedReport) -> Bool {
    guard let window = dialect.window else { return true }
    return (unixClock.seconds - report.timestamp).magnitude < window
  }

  private func serialize(
    _ metrics: InferenceMetrics, tokens: Int64, timestamp: Int64, proofs: [InferenceProof]
  ) -> [UInt8] {
    let measures: ReportMeasures
    do {
      measures = try ReportMeasures(
        agent: key.address, processedTokens: tokens,
        averageLatencyMilliseconds: metrics.averageLatencyMilliseconds,
        uptimeSeconds: metrics.uptime.components.seconds, tasksCompleted: metrics.totalRequests,
        timestamp: timestamp)
    } catch {
      // A collector counts upwards from zero, and the first timestamp is above zero.
      preconditionFailure("a collector's counters cannot be reported: \(error)")
    }
    let proofs = proofs.isEmpty ? nil : proofs
    let body =
      switch dialect {
      case .documented: DocumentedReport.Payload(measures, proofs: proofs).signed(with: key).body
      case .deployed: DeployedReport.Payload(measures, proofs: proofs).signed(with: key).body
      }
    return body.serialized()
  }
}

extension ReportDialect {
  /// The most proofs that fit into a report: a proof takes 390 bytes in the documented dialect
  /// and 270 in the deployed one, besides which everything else is small.
  fileprivate var maximumProofs: Int {
    switch self {
    case .documented: longestBody / 512
    case .deployed: longestBody / 416
    }
  }

  /// The most tokens that a report may carry (Wire.md, deployed dialect).
  fileprivate var maximumTokens: Int64? {
    switch self {
    case .documented: nil
    case .deployed: 1_000_000_000
    }
  }

  /// How many seconds old a report may be, less some for its way.
  fileprivate var window: Int64? {
    switch self {
    case .documented: nil
    case .deployed: 50
    }
  }

  /// The proofs that the dialect's oracle takes: the deployed one rejects a whole report for one
  /// proof of no tokens.
  fileprivate func accepted(of proofs: [InferenceProof]) -> [InferenceProof] {
    switch self {
    case .documented: proofs
    case .deployed: proofs.filter { $0.tokenCount > 0 }
    }
  }
}

/// The token counter as it is reported to an oracle that accepts values up to a limit only.
///
/// The deployed oracle refuses a report of more than 1 000 000 000 tokens, so that a cumulative
/// counter would be refused for ever once it is there. It also takes a counter below the last one for
/// a restart, and then counts all of it. So the counter is started again: at what was not accepted
/// yet, as soon as it is known what was, and as long as that is below the last value.
struct TokenCounter: Sendable, Hashable {
  /// The most that a report may carry; nil for no limit.
  let limit: Int64?
  /// Where the counter was started again, in tokens of the collector.
  private var base: Int64 = 0
  /// How many tokens of the collector the oracle has accepted at least.
  private var accepted: Int64 = 0
  /// Whether the last accepted report had no room for all tokens.
  private(set) var isBehind = false

  /// What a report says.
  struct Reading: Sendable, Hashable {
    /// The value that is reported.
    let value: Int64
    /// Where the counter was started that shows it.
    let base: Int64
    /// Whether it was started again for this report.
    let isRestart: Bool
    /// Whether it shows less than the collector has, for lack of room.
    var isCut = false
  }

  init(limit: Int64?) {
    self.limit = limit
  }

  /// The value to report.
  /// - Parameters:
  ///   - total: the collector's tokens; never less than before.
  ///   - isCertain: whether the outcome of every earlier report is known.
  func reading(of total: Int64, isCertain: Bool) -> Reading {
    guard let limit, total - base > limit else {
      return Reading(value: total - base, base: base, isRestart: false)
    }
    let missing = total - accepted
    if isCertain, missing < accepted - base {
      return Reading(value: missing, base: accepted, isRestart: true)
    }
    if isCertain, accepted - base >= limit {
      // A part that is below the last value, for a start; the rest follows.
      return Reading(value: limit - 1, base: accepted, isRestart: true, isCut: true)
    }
    // Up to the limit first: the rest follows in the next report, from a new start.
    return Reading(value: limit, base: base, isRestart: false, isCut: true)
  }

  /// Records that the oracle has accepted a value.
  mutating func accept(_ reading: Reading) {
    base = reading.base
    accepted = max(accepted, reading.base + reading.value)
    isBehind = reading.isCut
  }

  /// Records that a value was sent whose outcome is unknown: the oracle may count on from it.
  mutating func mayHaveBeenAccepted(_ reading: Reading) { base = reading.base }
}
