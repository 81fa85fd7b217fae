/// How a client recovers from a failed node.
public struct RecoveryPolicy: Hashable, Sendable {
  /// Bytes of hidden states that all generations of a client may keep for nodes to come.
  ///
  /// What a node was sent has to be sent again to the one that takes its place. A generation that
  /// finds no room keeps nothing and can be continued all the same: the nodes before it say again
  /// what they said, which takes longer.
  public var replayBudget: Int
  /// How long a node that failed is left alone; twice as long each time that it fails again.
  public var ban: Duration
  /// The longest that a node is left alone.
  public var longestBan: Duration

  /// A policy; the bans are those of Petals, and 15 minutes at most.
  public init(
    replayBudget: Int = 256 << 20, ban: Duration = .seconds(15),
    longestBan: Duration = .seconds(900)
  ) {
    self.replayBudget = replayBudget
    self.ban = ban
    self.longestBan = longestBan
  }

  /// How long a node is left alone after its `failures`th failure in a row.
  func ban(after failures: Int) -> Duration {
    var length = ban
    for _ in 1..<max(1, failures) where length < longestBan { length *= 2 }
    return min(length, longestBan)
  }
}
