/// With which account the oracle reports contributions at the end of an epoch, and how often it
/// looks whether one has ended.
public struct ContributionPlan: Sendable {
  /// The account that the reward pool knows as its oracle.
  public let account: OracleAccount
  /// The pause between two looks at the chain.
  public let interval: Duration
  /// What the pause is measured on.
  public let clock: any Clock<Duration>

  /// Makes a plan.
  /// - Parameters:
  ///   - account: whose key signs the reports.
  ///   - interval: above zero; by default the time of one block.
  ///   - clock: what the interval is measured on.
  public init(
    account: OracleAccount, interval: Duration = .seconds(3),
    clock: any Clock<Duration> = ContinuousClock()
  ) {
    precondition(interval > .zero, "an interval of \(interval)")
    self.account = account
    self.interval = interval
    self.clock = clock
  }
}
