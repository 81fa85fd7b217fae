package import EthereumPrimitives

/// One account of the state: what the state trie commits to (yellow paper, §4.1).
package struct Account: Hashable, Sendable, TrieValue {
  /// How many transactions the account has sent.
  package var nonce: UInt64
  /// Wei.
  package var balance: Word
  /// Empty for all but the native contracts, which carry ``nativeMarker``.
  package let code: [UInt8]
  private let codeHash: Hash32

  package init(nonce: UInt64 = 0, balance: Word = .zero, code: [UInt8] = []) {
    self.nonce = nonce
    self.balance = balance
    self.code = code
    codeHash = code.isEmpty ? Self.emptyCodeHash : Keccak256.hash(code)
  }

  /// The code of a contract that is written in Swift: INVALID (EIP-141), which no machine runs,
  /// but which tells clients that there is a contract.
  static let nativeMarker: [UInt8] = [0xfe]

  private static let emptyCodeHash = Keccak256.hash([])
  private static let emptyStorageRoot = MerkleTrie<[UInt8]>.emptyRoot

  /// Whether the state trie leaves the account out (EIP-161).
  var isEmpty: Bool { nonce == 0 && balance.isZero && code.isEmpty }

  /// RLP of nonce, balance, storage root and code hash.
  ///
  /// The native contracts keep their records beside the trie, so every storage root is the empty
  /// one.
  package var trieBytes: [UInt8] {
    var writer = RLPWriter(capacity: 112)
    writer.append(nonce)
    writer.append(balance.minimalBigEndianBytes)
    writer.append(Self.emptyStorageRoot.bytes)
    writer.append(codeHash.bytes)
    return writer.list()
  }
}
