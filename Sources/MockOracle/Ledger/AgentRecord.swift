public import EthereumPrimitives

/// What the oracle holds about one agent.
public struct AgentRecord: Sendable, Hashable {
  /// The agent.
  public let address: Address
  /// Tokens processed.
  ///
  /// Documented reports carry the cumulative counter, which stands here as it
  /// was reported last; deployed ones are accounted by difference, epoch by epoch.
  public internal(set) var processedTokens: Int64 = 0
  /// The average latency, in milliseconds.
  public internal(set) var averageLatencyMilliseconds: Double = 0
  /// The uptime that was reported last, in seconds.
  public internal(set) var uptimeSeconds: Int64 = 0
  /// Inferences finished, accounted like the tokens.
  public internal(set) var tasksCompleted: Int64 = 0
  /// The timestamp of the last accepted report, in unix seconds; nothing at or below it is taken.
  public internal(set) var lastTimestamp: Int64 = 0
  /// How many reports were accepted.
  public internal(set) var reportCount = 0
  /// How many proofs they carried.
  public var proofCount: Int { proofs.count }
  var proofs = ProofTally()

  init(address: Address) {
    self.address = address
  }
}
