package import EthereumPrimitives

/// One account of the state: what the state trie commits to (yellow paper, §4.1).
package struct Account: Hashable, Sendable, TrieValue {
  /// How many transactions the account has sent.
  package var nonce: UInt64
  /// Wei.
  package var balance: Word
  /// Whether it is one of the contracts that are written in Swift.
  package let isNative: Bool

  package init(nonce: UInt64 = 0, balance: Word = .zero, isNative: Bool = false) {
    self.nonce = nonce
    self.balance = balance
    self.isNative = isNative
  }

  /// Empty for all but the native contracts.
  package var code: [UInt8] { isNative ? Self.nativeMarker : [] }

  /// The code of a contract that is written in Swift: INVALID (EIP-141), which no machine runs,
  /// but which tells clients that there is a contract.
  private static let nativeMarker: [UInt8] = [0xfe]
  private static let nativeHash = Keccak256.hash(nativeMarker)
  private static let emptyHash = Keccak256.hash([])
  private static let emptyStorageRoot = MerkleTrie<[UInt8]>.emptyRoot

  /// Whether the state trie leaves the account out (EIP-161).
  var isEmpty: Bool { nonce == 0 && balance.isZero && !isNative }

  /// RLP of nonce, balance, storage root and code hash.
  ///
  /// The native contracts keep their records beside the trie, so every storage root is the empty
  /// one.
  package var trieBytes: [UInt8] {
    var writer = RLPWriter(capacity: 112)
    writer.append(nonce)
    writer.append(balance)
    writer.append(Self.emptyStorageRoot)
    writer.append(isNative ? Self.nativeHash : Self.emptyHash)
    return writer.list()
  }
}
