import EthereumPrimitives
public import PlumiseWire

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

  /// What the reward pool is told: the numbers cut to what it takes (Wire.md, Contracts).
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
