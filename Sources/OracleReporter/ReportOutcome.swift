/// How one report ended.
public struct ReportOutcome: Sendable, Hashable {
  /// Which report of this reporter it was, from 1.
  public let number: Int
  /// Its timestamp, in unix seconds.
  public let timestamp: Int64
  /// The cumulative tokens that it reported; since the counter's last restart.
  public let processedTokens: Int64
  /// The cumulative inferences that it reported.
  public let tasksCompleted: Int64
  /// How many proofs it carried, those of an earlier report included whose fate it settled.
  public let proofCount: Int
  /// Whether it was sent by `stop()`.
  public let isFinal: Bool
  /// Why it was not accepted, or `nil` when it was.
  public let failure: ReporterError?
  /// How many reports in a row were not accepted, this one included; 0 after a success.
  public let consecutiveFailures: Int
  /// Whether the token counter was started again for it, because the oracle takes no more than
  /// 1 000 000 000 in a report.
  public let restartsCounter: Bool

  /// Whether the oracle accepted it.
  public var isAccepted: Bool { failure == nil }
}
