import EVM
package import EthereumPrimitives

/// One account of the state trie (yellow paper, §4.1).
package struct Account: Hashable, Sendable, TrieValue {
  /// How many transactions the account has sent, or contracts it has created.
  package var nonce: UInt64
  /// Wei.
  package var balance: Word
  /// Its code and the root of its storage; nil for an account that has neither.
  var contract: ContractData?

  /// An account.
  /// - Parameter isNative: whether it is one of the contracts that are written in Swift.
  package init(nonce: UInt64 = 0, balance: Word = .zero, isNative: Bool = false) {
    self.nonce = nonce
    self.balance = balance
    contract = isNative ? .native : nil
  }

  /// Empty for all but contracts.
  package var code: [UInt8] { contract?.code.bytes ?? [] }

  /// keccak256 of the code.
  package var codeHash: Hash32 { contract?.code.hash ?? AccountState.emptyCodeHash }

  /// The root of the storage's trie, as of the last state root.
  package var storageRoot: Hash32 { contract?.storageRoot ?? Self.emptyStorageRoot }

  /// Whether the account has code, which a plain transfer to it would have to run.
  var hasCode: Bool { contract.map { $0.code.count > 0 } ?? false }

  /// Whether the state trie leaves the account out (EIP-161).
  var isEmpty: Bool { nonce == 0 && balance.isZero && contract == nil }

  static let emptyStorageRoot = MerkleTrie<Word>.emptyRoot

  /// RLP of nonce, balance, storage root and code hash.
  package var trieBytes: [UInt8] {
    var writer = RLPWriter(capacity: 112)
    writer.append(nonce)
    writer.append(balance)
    writer.append(storageRoot)
    writer.append(codeHash)
    return writer.list()
  }
}

/// The code of a contract and the root of its storage.
///
/// It is a class so that the many accounts without either stay small.
final class ContractData: Hashable, Sendable {
  let code: Code
  let storageRoot: Hash32

  /// - Returns: nil when there is neither code nor storage.
  init?(code: Code, storageRoot: Hash32) {
    guard code.count > 0 || storageRoot != Account.emptyStorageRoot else { return nil }
    self.code = code
    self.storageRoot = storageRoot
  }

  /// A contract that is written in Swift: its code is INVALID (EIP-141), which no machine runs.
  ///
  /// The code tells clients that there is a contract; the records are kept outside of the tries.
  static let native = ContractData(code: Code([0xfe]), storageRoot: Account.emptyStorageRoot)

  static func == (left: ContractData, right: ContractData) -> Bool {
    left.code.hash == right.code.hash && left.storageRoot == right.storageRoot
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(code.hash)
    hasher.combine(storageRoot)
  }
}

extension Word: TrieValue {
  /// RLP of the number, as the trie of a contract's storage has it.
  package var trieBytes: [UInt8] {
    var writer = RLPWriter(capacity: 34)
    writer.append(self)
    return writer.bytes
  }
}
