public import EthereumPrimitives

/// What an agent contributed, as the reward pool adds it up.
public struct ContributionRecord: Hashable, Sendable {
  /// Finished tasks.
  public var taskCount: Word = .zero
  /// Seconds in service.
  public var uptimeSeconds: Word = .zero
  /// The score of version 1.
  public var responseScore: Word = .zero
  /// Seconds since 1970: the block of the last report.
  public var lastUpdated: Word = .zero
  /// Tokens of inference.
  public var processedTokens: Word = .zero
  /// max(0, 10 000 − average latency in milliseconds), added up.
  public var averageLatencyInverse: Word = .zero

  /// The six words in the order of the ABI.
  public var words: [Word] {
    [
      taskCount, uptimeSeconds, responseScore, lastUpdated, processedTokens, averageLatencyInverse,
    ]
  }

  /// The share of the epoch's reward: 40 a token, 25 a task, 20 a second, 15 a point of latency.
  public var score: Word {
    processedTokens * 40 + taskCount * 25 + uptimeSeconds * 20 + averageLatencyInverse * 15
  }

  mutating func add(_ report: ContributionRecord, at timestamp: UInt64) {
    taskCount += report.taskCount
    uptimeSeconds += report.uptimeSeconds
    responseScore += report.responseScore
    processedTokens += report.processedTokens
    averageLatencyInverse += report.averageLatencyInverse
    lastUpdated = Word(timestamp)
  }
}
