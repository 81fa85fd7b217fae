public import EthereumPrimitives

/// What a transaction or a call changed, for the embedder to write.
public struct StateEffects: Sendable {
  /// What became of one account.
  public enum Change: Sendable {
    /// It has these values now.
    case written(AccountWrite)
    /// It is gone with its storage: destroyed, or touched and empty (EIP-161).
    case deleted
  }

  /// The accounts that changed.
  public var accounts: [Address: Change] = [:]

  /// Nothing changed.
  public init() {}
}

/// An account's new values.
public struct AccountWrite: Sendable {
  /// Nonce, balance and code hash.
  public var account: AccountState
  /// The code, when it is new.
  public var code: Code?
  /// The slots of its storage that changed; 0 clears a slot.
  public var storage: [Word: Word]
}

/// An event that code emitted (yellow paper, §4.4.1).
public struct Log: Hashable, Sendable {
  /// Who emitted it.
  public let address: Address
  /// Four at most.
  public let topics: [Hash32]
  /// The rest of it.
  public let data: [UInt8]

  /// An event.
  public init(address: Address, topics: [Hash32], data: [UInt8]) {
    self.address = address
    self.topics = topics
    self.data = data
  }
}
