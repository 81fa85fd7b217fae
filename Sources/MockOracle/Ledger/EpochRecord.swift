public import EthereumPrimitives

/// What one agent did in one epoch, accounted by difference as the deployed oracle does.
public struct EpochRecord: Sendable, Hashable {
  /// The agent.
  public let address: Address
  /// The epoch.
  public let epoch: UInt64
  /// Tokens processed in the epoch.
  public private(set) var processedTokens: Int64 = 0
  /// The average latency, in milliseconds.
  public private(set) var averageLatencyMilliseconds: Double = 0
  /// Inferences finished in the epoch.
  public private(set) var requestCount: Int64 = 0
  /// The uptime that was reported last, in seconds.
  public private(set) var uptimeSeconds: Int64 = 0
  /// The timestamp of the last report, in unix seconds.
  public private(set) var lastUpdated: Int64 = 0
  /// The proofs that came in the epoch.
  var proofs = ProofTally()
  /// The counters that the next report is compared with.
  private(set) var lastReportedTokens: Int64 = 0
  private(set) var lastReportedRequests: Int64 = 0

  /// A record without work.
  /// - Parameters:
  ///   - reportedTokens: the counter that the epoch's first report is compared with.
  ///   - reportedRequests: likewise.
  init(
    address: Address, epoch: UInt64, reportedTokens: Int64 = 0, reportedRequests: Int64 = 0
  ) {
    self.address = address
    self.epoch = epoch
    lastReportedTokens = reportedTokens
    lastReportedRequests = reportedRequests
  }

  /// A record that was kept.
  init(
    address: Address, epoch: UInt64, processedTokens: Int64, averageLatencyMilliseconds: Double,
    requestCount: Int64, uptimeSeconds: Int64, lastUpdated: Int64, proofs: ProofTally,
    lastReportedTokens: Int64, lastReportedRequests: Int64
  ) {
    self.address = address
    self.epoch = epoch
    self.processedTokens = processedTokens
    self.averageLatencyMilliseconds = averageLatencyMilliseconds
    self.requestCount = requestCount
    self.uptimeSeconds = uptimeSeconds
    self.lastUpdated = lastUpdated
    self.proofs = proofs
    self.lastReportedTokens = lastReportedTokens
    self.lastReportedRequests = lastReportedRequests
  }

  /// Accounts a report.
  ///
  /// The client reports counters that only grow, so the difference to the last report counts; a
  /// counter below the last one means that the client started again, and then all of it counts.
  /// - Returns: the tokens and the requests that the report added.
  mutating func add(
    _ report: StoredReport, profile: OracleProfile
  ) -> (tokens: Int64, requests: Int64) {
    let tokens = Self.difference(report.processedTokens, since: lastReportedTokens)
    let requests = Self.difference(report.tasksCompleted, since: lastReportedRequests)
    let total = requestCount.addingSaturated(requests)
    averageLatencyMilliseconds =
      total == 0
      ? report.averageLatencyMilliseconds
      : average(with: report, adding: requests, of: total, profile: profile).clampedToFinite
    processedTokens = processedTokens.addingSaturated(tokens)
    requestCount = total
    uptimeSeconds = report.uptimeSeconds
    lastUpdated = report.timestamp
    lastReportedTokens = report.processedTokens
    lastReportedRequests = report.tasksCompleted
    return (tokens, requests)
  }

  /// The average once a report has added its requests; `total` counts them too.
  private func average(
    with report: StoredReport, adding requests: Int64, of total: Int64, profile: OracleProfile
  ) -> Double {
    let (old, new) = (averageLatencyMilliseconds, report.averageLatencyMilliseconds)
    // The deployed oracle weights the new average with the cumulative count, so that a constant
    // 100 ms is stored as 100, 150, 200; the repair weights it with what the report added, as a
    // share that no latency carries beyond what a double holds.
    return switch profile {
    case .fixed: old + (new - old) * (Double(requests) / Double(total))
    case .faithful:
      (old * Double(requestCount) + new * Double(report.tasksCompleted)) / Double(total)
    }
  }

  private static func difference(_ reported: Int64, since last: Int64) -> Int64 {
    // A file that somebody changed may hold any number.
    reported < last ? reported : reported.subtractingSaturated(last)
  }
}
