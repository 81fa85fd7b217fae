public import EthereumPrimitives
public import PlumiseWire

/// A contribution that was signed for the reward pool: kept before it is sent, so that an oracle
/// that starts again sends the same transaction and not a second one.
public struct StoredContribution: Sendable, Hashable {
  /// The epoch that the work was done in.
  public let epoch: UInt64
  /// The agent that did it.
  public let agent: Address
  /// The signed transaction, as it is sent.
  public let transaction: [UInt8]
  /// The transaction's hash.
  public let hash: Hash32
}

/// How the report of a contribution ended.
public struct ContributionOutcome: Sendable, Hashable {
  /// The ways in which it can end.
  public enum Result: Sendable, Hashable, CustomStringConvertible {
    /// It is in this block.
    case reported(block: UInt64)
    /// The pool did not take it, for this reason, nil where the chain does not tell; it is not sent
    /// again.
    case reverted(reason: String?)
    /// The chain could not be reached; it is sent again.
    case postponed(reason: String)

    /// One line: what happened.
    public var description: String {
      switch self {
      case .reported(let block): "reported in block \(block)"
      case .reverted(let reason): "reverted: \(reason ?? "the chain tells no reason")"
      case .postponed(let reason): "postponed: \(reason)"
      }
    }
  }

  /// The epoch that the work was done in.
  public let epoch: UInt64
  /// The agent that did it.
  public let agent: Address
  /// What it did, by the epoch's accounts.
  public let score: AgentScore
  /// How the report ended.
  public let result: Result
}

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

/// What an agent's work in an epoch is worth, by both formulas that exist (Wire.md, deployed
/// dialect).
public struct AgentScore: Sendable, Hashable {
  /// Inferences finished.
  public let taskCount: Int64
  /// Seconds of service.
  public let uptimeSeconds: Int64
  /// How fast the agent answers, 0 to 100: 100 less a tenth of the average latency in
  /// milliseconds; 0 without a task.
  public let responseScore: Int64
  /// Tokens processed.
  public let processedTokens: Int64
  /// 10 000 less the average latency in milliseconds, at least 0; 0 without a latency.
  public let averageLatencyInverse: Int64

  /// A score of its parts; each is zero or more.
  public init(
    taskCount: Int64, uptimeSeconds: Int64, responseScore: Int64, processedTokens: Int64 = 0,
    averageLatencyInverse: Int64 = 0
  ) {
    self.taskCount = taskCount
    self.uptimeSeconds = uptimeSeconds
    self.responseScore = responseScore
    self.processedTokens = processedTokens
    self.averageLatencyInverse = averageLatencyInverse
  }

  /// The score of what was accounted to an epoch.
  public init(_ record: EpochRecord) {
    let latency = record.averageLatencyMilliseconds
    self.init(
      taskCount: record.requestCount, uptimeSeconds: record.uptimeSeconds,
      responseScore: record.requestCount > 0
        ? Int64(saturating: min(100, max(0, 100 - latency / 10))) : 0,
      processedTokens: record.processedTokens,
      averageLatencyInverse: latency > 0 ? Int64(saturating: max(0, 10_000 - latency)) : 0)
  }

  /// Version 1, which the live network pays by: half the tasks, 30 % the uptime and 20 % the
  /// response, each at most 100; without task and token the last two count a tenth.
  public var live: Double {
    let task = min(100, Double(taskCount))
    let uptime = min(100, Double(uptimeSeconds) / 36)
    let response = min(100, Double(responseScore))
    let share = taskCount == 0 && processedTokens == 0 ? 0.1 : 1
    return (50 * task + 30 * uptime * share + 20 * response * share) / 100
  }

  /// Version 2, the contract's: 40 a token, 25 a task, 20 a second, 15 a point of latency.
  public var contract: Int128 {
    Int128(processedTokens) * 40 + Int128(taskCount) * 25 + Int128(uptimeSeconds) * 20
      + Int128(averageLatencyInverse) * 15
  }

  /// What is reported to the reward pool: the numbers cut to what it accepts (Wire.md, Contracts).
  public var contribution: Contribution {
    Contribution(
      taskCount: Self.word(taskCount, atMost: 10_000),
      uptimeSeconds: Self.word(uptimeSeconds, atMost: 604_800),
      responseScore: Self.word(responseScore, atMost: 1_000_000),
      throughput: .init(
        processedTokens: Self.word(processedTokens, atMost: 100_000_000),
        averageLatencyInverse: Self.word(averageLatencyInverse, atMost: 10_000)))
  }
}

extension AgentScore {
  private static func word(_ value: Int64, atMost limit: UInt64) -> Word {
    Word(min(UInt64(max(0, value)), limit))
  }
}
