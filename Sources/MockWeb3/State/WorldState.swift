package import EVM
package import EthereumPrimitives

/// The state that transactions change: accounts with their code and storage, and the records of the
/// native contracts.
///
/// Copies share their structure, so that executing a transaction on a copy, and keeping the state
/// of every block, cost little.
package struct WorldState {
  private var trie = MerkleTrie<Account>()
  private let paths = AccountPaths()
  /// Accounts that changed since the root was last computed: a transaction writes the same few
  /// again and again, the trie takes each once a block.
  private var changed: [Address: Account] = [:]

  /// The storage of contracts; an account without any slot is not in it.
  private var storages = PersistentMap<MerkleTrie<Word>>()
  /// Accounts whose storage changed since the root was last computed.
  private var changedStorage: Set<Address> = []
  /// What the native contracts keep.
  var records = PlumiseRecords()

  /// What is read of another chain where nothing was written; nil for a chain of its own.
  let fork: ForkedState?
  /// Accounts that a forked chain wrote, those that are gone included: the remote chain may have them.
  private var writtenAccounts = PersistentMap<Account>()
  /// What a forked chain wrote to storages, zeros included.
  private var writtenStorage = PersistentMap<WrittenStorage>()

  package init() { fork = nil }

  /// The state of a chain that is forked from another one.
  init(fork: ForkedState?) { self.fork = fork }

  /// An account; one that does not exist reads as empty.
  package subscript(address: Address) -> Account {
    get {
      if let account = changed[address] { return account }
      if let fork { return writtenAccounts[address] ?? fork.account(address) }
      return trie[path: paths[address]] ?? Account()
    }
    set { changed[address] = newValue }
  }

  /// The precompiles' view of the agents.
  var agents: AgentLedger { records.agents }

  /// The reward pool's records.
  var pool: RewardPoolState { records.pool }

  /// Adds wei to an account; a sum beyond 256 bits, which no supply reaches, is the largest word.
  mutating func credit(_ amount: Word, to address: Address) {
    guard !amount.isZero else { return }
    var account = self[address]
    account.balance = account.balance.adding(amount, upTo: .max)
    changed[address] = account
  }

  /// Takes wei from an account.
  /// - Returns: false, and nothing changes, when the balance is too small.
  mutating func debit(_ amount: Word, from address: Address) -> Bool {
    if amount.isZero { return true }
    var account = self[address]
    guard account.balance >= amount else { return false }
    account.balance -= amount
    changed[address] = account
    return true
  }

  /// The root of the secure trie: keys are the hashes of the addresses.
  package mutating func rootHash() -> Hash32 {
    updateTrie()
    return trie.rootHash
  }

  /// Writes what changed into the tries.
  private mutating func updateTrie() {
    for (address, value) in changed {
      var account = value
      if changedStorage.contains(address) {
        account.contract = ContractData(
          code: account.contract?.code ?? .empty,
          storageRoot: storages[address]?.rootHash ?? Account.emptyStorageRoot)
      }
      if fork != nil { writtenAccounts[address] = account }
      trie[path: paths[address]] = account.isEmpty ? nil : account
    }
    // Most blocks change a handful.
    changed = Dictionary(minimumCapacity: 8)
    changedStorage = []
  }
}

/// Code and storage.
extension WorldState {
  /// The value in a slot of an account's storage; 0 where nothing was stored.
  package func storage(at address: Address, slot: Word) -> Word {
    guard let fork else { return storages[address]?[Self.storageKey(slot)] ?? .zero }
    if let written = writtenStorage[address] {
      if let value = written.slots[slot] { return value }
      if written.isCleared { return .zero }
    }
    return fork.storage(at: address, slot: slot)
  }

  /// Whether any slot of an account's storage has a value.
  func hasStorage(at address: Address) -> Bool { storages[address] != nil }

  /// Writes a slot of an account's storage; 0 clears it.
  mutating func setStorage(at address: Address, slot: Word, to value: Word) {
    var storage = storages[address] ?? MerkleTrie()
    storage[Self.storageKey(slot)] = value.isZero ? nil : value
    storages[address] = storage.isEmpty ? nil : storage
    changed[address] = self[address]
    changedStorage.insert(address)
    if fork != nil {
      var written = writtenStorage[address] ?? WrittenStorage()
      written.slots[slot] = value
      writtenStorage[address] = written
    }
  }

  /// Clears an account's storage.
  mutating func removeStorage(of address: Address) {
    if fork != nil { writtenStorage[address] = WrittenStorage(isCleared: true) }
    guard hasStorage(at: address) else { return }
    storages[address] = nil
    changed[address] = self[address]
    changedStorage.insert(address)
  }

  /// Replaces an account's code.
  mutating func setCode(at address: Address, to code: Code) {
    var account = self[address]
    account.contract = ContractData(code: code, storageRoot: account.storageRoot)
    changed[address] = account
    // A root that is not computed yet is computed with the code's.
    if hasStorage(at: address) { changedStorage.insert(address) }
  }

  /// Makes an account what a genesis says.
  mutating func set(_ account: GenesisAccount, at address: Address) {
    self[address] = Account(nonce: account.nonce, balance: account.balance)
    setCode(at: address, to: Code(account.code))
    for (slot, value) in account.storage { setStorage(at: address, slot: slot, to: value) }
  }

  /// Removes an account with its code and its storage.
  mutating func remove(_ address: Address) {
    changed[address] = Account()
    storages[address] = nil
    changedStorage.remove(address)
    if fork != nil { writtenStorage[address] = WrittenStorage(isCleared: true) }
  }

  /// Writes what a transaction changed.
  package mutating func apply(_ effects: StateEffects) {
    for (address, change) in effects.accounts {
      guard case .written(let write) = change else {
        remove(address)
        continue
      }
      self[address].nonce = write.account.nonce
      self[address].balance = write.account.balance
      if let code = write.code { setCode(at: address, to: code) }
      for (slot, value) in write.storage { setStorage(at: address, slot: slot, to: value) }
    }
  }

  /// The nodes of the state trie from the root to an account, or to where it would be.
  mutating func accountProof(of address: Address) -> [[UInt8]] {
    updateTrie()
    return trie.proof(of: Keccak256.hash(address.bytes).bytes)
  }

  /// The nodes of a storage's trie from its root to a slot, or to where it would be.
  func storageProof(of address: Address, slot: Word) -> [[UInt8]] {
    storages[address]?.proof(of: Self.storageKey(slot)) ?? []
  }

  private static func storageKey(_ slot: Word) -> [UInt8] {
    Keccak256.hash(slot.bigEndianBytes).bytes
  }
}

/// Where accounts have their places in the trie, which costs a hash each to find; copies of a state
/// have them together.
///
/// Not Sendable: states have one owner, as their tries' nodes have.
private final class AccountPaths {
  /// Clients may ask for any number of addresses.
  private static let limit = 20_000

  private var paths: [Address: [UInt8]] = [:]

  subscript(address: Address) -> [UInt8] {
    if let path = paths[address] { return path }
    let path = Nibbles.of(Keccak256.hash(address.bytes).bytes)
    if paths.count == Self.limit { paths = [:] }
    paths[address] = path
    return path
  }
}

/// What a forked chain wrote to the storage of one account.
private struct WrittenStorage {
  var slots: [Word: Word] = [:]
  /// Whether the remote chain's slots are gone.
  var isCleared = false
}

extension Word {
  /// The sum, or a bound where the sum exceeds it.
  func adding(_ other: Word, upTo bound: Word) -> Word {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? bound : min(sum, bound)
  }
}
