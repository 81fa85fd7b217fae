public import EthereumPrimitives

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
    /// It stands in this block.
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
