public import EthereumPrimitives

/// What a machine reads of the state before it; it never writes to it.
///
/// Each thing is read once a transaction at most. What a transaction changes comes out as
/// ``StateEffects``.
public protocol StateReader {
  /// An account, or nil when there is none.
  func account(at address: Address) -> AccountState?
  /// The code of an account whose ``AccountState/codeHash`` says that it has some.
  func code(at address: Address, hash: Hash32) -> [UInt8]
  /// The value in a slot of an account's storage; 0 where nothing was stored.
  func storage(at address: Address, slot: Word) -> Word
  /// Whether any slot of an account's storage has a value: nothing is created there (EIP-7610).
  func hasStorage(at address: Address) -> Bool
  /// The hash of one of the 256 blocks before this one.
  func blockHash(of number: UInt64) -> Hash32
}

/// An account as the state trie commits to it, without its storage (yellow paper, §4.1).
public struct AccountState: Hashable, Sendable {
  /// How many transactions it has sent, or contracts it has created.
  public var nonce: UInt64
  /// Wei.
  public var balance: Word
  /// keccak256 of its code.
  public var codeHash: Hash32

  /// keccak256 of no code at all.
  public static let emptyCodeHash = Keccak256.hash([])

  /// An account.
  public init(
    nonce: UInt64 = 0, balance: Word = .zero, codeHash: Hash32 = AccountState.emptyCodeHash
  ) {
    self.nonce = nonce
    self.balance = balance
    self.codeHash = codeHash
  }

  /// Whether it counts as absent: no nonce, no balance, no code (EIP-161).
  public var isEmpty: Bool { nonce == 0 && balance.isZero && codeHash == Self.emptyCodeHash }
}

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

  /// An account's new values.
  public init(account: AccountState, code: Code? = nil, storage: [Word: Word] = [:]) {
    self.account = account
    self.code = code
    self.storage = storage
  }
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
