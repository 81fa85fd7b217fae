/// How much of a node's cache memory its sessions hold.
public struct CacheUsage: Hashable, Sendable {
  /// Bytes that open sessions have reserved.
  public let usedBytes: Int
  /// Bytes that all sessions together may reserve.
  public let budgetBytes: Int
  /// Open sessions.
  public let sessions: Int
  /// What one token of one session takes in all of the node's blocks.
  public let bytesPerToken: Int

  /// A reading of the node's accounts.
  public init(usedBytes: Int, budgetBytes: Int, sessions: Int, bytesPerToken: Int) {
    self.usedBytes = usedBytes
    self.budgetBytes = budgetBytes
    self.sessions = sessions
    self.bytesPerToken = bytesPerToken
  }

  /// Tokens that new sessions can still reserve.
  public var tokensLeft: Int {
    bytesPerToken > 0 ? max(0, budgetBytes - usedBytes) / bytesPerToken : 0
  }
}
