import EthereumPrimitives
import InferenceMetrics
import PlumiseWire

/// A report that is ready to be sent.
struct ComposedReport {
  let body: [UInt8]
  let timestamp: Int64
  let metrics: InferenceMetrics
  /// The proofs to let go of once the report is accepted.
  let batch: ProofBuffer.Batch
  /// How many proofs the body carries.
  let proofCount: Int
}

/// Makes signed reports of what a collector holds, in one of the dialects.
struct ReportComposer {
  let dialect: ReportDialect
  let key: SecretKey
  let collector: MetricsCollector
  let unixClock: UnixClock

  /// Whether proofs wait to be reported.
  var hasProofs: Bool { collector.proofs.count > 0 }

  /// Makes a report of this moment.
  ///
  /// Its timestamp is strictly above the last one, even within one second; it carries as many of
  /// the waiting proofs as fit into the longest body that the oracle takes.
  func compose(after lastTimestamp: Int64) -> ComposedReport {
    let timestamp = max(unixClock.seconds, lastTimestamp + 1)
    let metrics = collector.snapshot
    var batch = collector.proofs.batch(limit: dialect.mostProofs)
    while true {
      let proofs = dialect.accepted(of: batch.proofs)
      let body = serialize(metrics, timestamp: timestamp, proofs: proofs)
      if body.count <= dialect.longestBody || batch.isEmpty {
        return ComposedReport(
          body: body, timestamp: timestamp, metrics: metrics, batch: batch,
          proofCount: proofs.count)
      }
      batch = collector.proofs.batch(limit: batch.proofs.count / 2)
    }
  }

  /// Lets go of what an accepted report carried.
  func acknowledge(_ report: ComposedReport) {
    collector.proofs.acknowledge(report.batch)
  }

  private func serialize(
    _ metrics: InferenceMetrics, timestamp: Int64, proofs: [InferenceProof]
  ) -> [UInt8] {
    let measures: ReportMeasures
    do {
      measures = try ReportMeasures(
        agent: key.address, processedTokens: metrics.totalTokens,
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

  /// The proofs that the dialect's oracle takes: the deployed one rejects a whole report for one
  /// proof of no tokens.
  fileprivate func accepted(of proofs: [InferenceProof]) -> [InferenceProof] {
    switch self {
    case .documented: proofs
    case .deployed: proofs.filter { $0.tokenCount > 0 }
    }
  }
}
