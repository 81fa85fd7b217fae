package import EthereumPrimitives

/// The state that transactions change: accounts, agents and the reward pool.
///
/// Copies share their structure, so that executing a transaction on a copy, and keeping the state
/// of every block, cost little.
package struct WorldState {
  /// An account with the path of its place in the trie, which costs a hash to find.
  private struct Entry {
    let account: Account
    let path: [UInt8]
  }

  private var accounts = PersistentMap<Entry>()
  private var trie = MerkleTrie<Account>()
  /// Accounts that changed since the root was last computed: a transaction writes the same few
  /// again and again, the map and the trie take each once a block.
  private var changed: [Address: Account] = [:]

  /// The agents that AgentRegistry and RewardPool know.
  var registry = AgentLedger()
  /// The agents that the precompiles know, where the two are separate (profile `testnet2026`).
  var precompileAgents: AgentLedger?
  /// The reward pool's records; its coins are the balance of its account.
  var pool = RewardPoolState()

  package init() {}

  /// An account; one that does not exist reads as empty.
  package subscript(address: Address) -> Account {
    get { changed[address] ?? accounts[address]?.account ?? Account() }
    set { changed[address] = newValue }
  }

  /// The precompiles' view of the agents: the one set of records, or their own.
  var agents: AgentLedger {
    get { precompileAgents ?? registry }
    set {
      if precompileAgents == nil { registry = newValue } else { precompileAgents = newValue }
    }
  }

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
    for (address, account) in changed {
      let path = accounts[address]?.path ?? Nibbles.of(Keccak256.hash(address.bytes).bytes)
      if account.isEmpty {
        accounts[address] = nil
        trie[path: path] = nil
      } else {
        accounts[address] = Entry(account: account, path: path)
        trie[path: path] = account
      }
    }
    changed = [:]
    return trie.rootHash
  }
}

extension Word {
  /// The sum, or a bound where the sum exceeds it.
  func adding(_ other: Word, upTo bound: Word) -> Word {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? bound : min(sum, bound)
  }
}

/// One account of the state trie (yellow paper, §4.1).
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
  /// The native contracts keep their records outside of the trie, so every storage root is the
  /// empty one.
  package var trieBytes: [UInt8] {
    var writer = RLPWriter(capacity: 112)
    writer.append(nonce)
    writer.append(balance)
    writer.append(Self.emptyStorageRoot)
    writer.append(isNative ? Self.nativeHash : Self.emptyHash)
    return writer.list()
  }
}
