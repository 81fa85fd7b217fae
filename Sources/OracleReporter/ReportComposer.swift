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
  /// The proofs to let go of once the report is accepted.
  let batch: ProofBuffer.Batch
  /// How many proofs the body carries.
  let proofCount: Int

  /// Whether the same bytes must be sent again when no answer came: the proofs would be reported
  /// twice in another report, and a restarted counter counted twice.
  var mattersTwice: Bool { proofCount > 0 || tokens.isRestart }
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
    counter = TokenCounter(limit: dialect.mostTokens)
  }

  /// Whether something waits that the last report had no room for: proofs, or tokens beyond what
  /// the oracle takes at once.
  var hasMore: Bool { collector.proofs.count > 0 || counter.isBehind }

  /// Makes a report of this moment.
  ///
  /// Its timestamp is strictly above the last one, even within one second; it carries as many of
  /// the waiting proofs as fit into the longest body that the oracle takes.
  /// - Parameter isCertain: whether the fate of every earlier report is known.
  func compose(after lastTimestamp: Int64, isCertain: Bool) -> ComposedReport {
    let timestamp = max(unixClock.seconds, lastTimestamp + 1)
    let metrics = collector.snapshot
    let tokens = counter.reading(of: metrics.totalTokens, isCertain: isCertain)
    var batch = collector.proofs.batch(limit: dialect.mostProofs)
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

  /// Lets go of what an accepted report carried.
  mutating func acknowledge(_ report: ComposedReport) {
    collector.proofs.acknowledge(report.batch)
    counter.accept(report.tokens)
  }

  /// Notes that a report may have been accepted.
  mutating func leaveOpen(_ report: ComposedReport) {
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
  fileprivate var mostProofs: Int {
    switch self {
    case .documented: longestBody / 512
    case .deployed: longestBody / 416
    }
  }

  /// The most tokens that a report may carry (Wire.md, deployed dialect).
  fileprivate var mostTokens: Int64? {
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
