package import EVM
package import EthereumPrimitives
import JSONValues

/// A whole state in a map, whose root is computed from scratch.
package struct MapState: StateReader, Sendable {
  /// An account with its code and its storage.
  package struct Entry: Sendable {
    package var account: AccountState
    package var code: [UInt8] = []
    /// Slots of value 0 are not in it.
    package var storage: [Word: Word] = [:]

    package init(_ account: AccountState, code: [UInt8] = [], storage: [Word: Word] = [:]) {
      self.account = account
      self.code = code
      self.storage = storage
    }
  }

  /// The accounts; those that are empty are there all the same.
  package var accounts: [Address: Entry] = [:]

  package init() {}

  /// The accounts of a test.
  init(_ fields: Fields) throws(FieldError) {
    for member in fields.object.members {
      let path = "\(fields.path).\(member.key)"
      let address = try Fields.address(member.key, path)
      let values = try Fields(member.value, path)
      let code = try values.bytes("code")
      var entry = Entry(
        AccountState(
          nonce: try values.integer("nonce"), balance: try values.word("balance"),
          codeHash: code.isEmpty ? AccountState.emptyCodeHash : Keccak256.hash(code)),
        code: code)
      let storage = try values.child("storage")
      for slot in storage.object.members {
        let value = try storage.word(slot.key)
        if !value.isZero { entry.storage[try Fields.word(slot.key, storage.path)] = value }
      }
      accounts[address] = entry
    }
  }

  package func account(at address: Address) -> AccountState? { accounts[address]?.account }

  package func code(at address: Address, hash: Hash32) -> [UInt8] {
    accounts[address]?.code ?? []
  }

  package func storage(at address: Address, slot: Word) -> Word {
    accounts[address]?.storage[slot] ?? .zero
  }

  package func hasStorage(at address: Address) -> Bool {
    accounts[address]?.storage.isEmpty == false
  }

  /// As Ethereum's state tests have it: the hash of the number in decimal digits.
  package func blockHash(of number: UInt64) -> Hash32 { Keccak256.hash("\(number)") }

  /// Writes what a transaction changed.
  package mutating func apply(_ effects: StateEffects) {
    for (address, change) in effects.accounts {
      switch change {
      case .deleted: accounts[address] = nil
      case .written(let write):
        var entry = accounts[address] ?? Entry(write.account)
        entry.account = write.account
        if let code = write.code { entry.code = code.bytes }
        for (slot, value) in write.storage { entry.storage[slot] = value.isZero ? nil : value }
        accounts[address] = entry
      }
    }
  }

  /// The state root (yellow paper, §4.1).
  package var root: Hash32 {
    SecureTrie.root(
      accounts.map { address, entry in
        var writer = RLPWriter(capacity: 112)
        writer.append(entry.account.nonce)
        writer.append(entry.account.balance)
        writer.append(Self.storageRoot(entry.storage))
        writer.append(entry.account.codeHash)
        return (Keccak256.hash(address.bytes), writer.list())
      })
  }

  private static func storageRoot(_ storage: [Word: Word]) -> Hash32 {
    SecureTrie.root(
      storage.map { slot, value in
        var writer = RLPWriter(capacity: 34)
        writer.append(value)
        return (Keccak256.hash(slot.bigEndianBytes), writer.bytes)
      })
  }
}
