public import Bloom

/// Something that a session did on a node, for those who watch it.
public struct SessionActivity: Hashable, Sendable {
  /// What a session does.
  public enum Kind: Hashable, Sendable {
    /// It began.
    case opened
    /// Tokens went through the blocks; `position` are in its cache now, and the blocks took `time`.
    case step(tokens: Int, position: Int, time: Duration)
    /// Its client said what it was for.
    case finished(generated: Int)
    /// It gave its memory back; the last that is heard of it.
    case ended
  }

  /// The client's name of the session, the same on every node of a route.
  public let session: String
  /// The blocks that it goes through.
  public let blocks: BlockRange
  /// What it did.
  public let kind: Kind
  /// Of a step's tokens, those that were not computed, since an earlier session began alike.
  public let reusedTokens: Int
  /// What all sessions of the node hold just then.
  public let cache: CacheUsage
}
