package import EthereumPrimitives

/// Everything that transactions change: accounts, agents and the reward pool.
///
/// Copies share what they have in common, so that trying a transaction on a copy, and keeping the
/// state of every block, both cost next to nothing.
package struct WorldState {
  private var accounts = PersistentMap<Account>()
  private var trie = MerkleTrie<Account>()
  /// Accounts that changed since the root was last computed.
  private var touched: Set<Address> = []

  /// The agents that AgentRegistry and RewardPool know.
  var registry = AgentLedger()
  /// The agents that the precompiles know, where the two are separate (profile `testnet2026`).
  var precompileAgents: AgentLedger?
  /// The reward pool's records; its coins are the balance of its account.
  var pool = RewardPoolState()

  package init() {}

  /// An account; one that does not exist reads as empty.
  package subscript(address: Address) -> Account {
    get { accounts[address] ?? Account() }
    set {
      accounts[address] = newValue.isEmpty ? nil : newValue
      touched.insert(address)
    }
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
    self[address].balance = self[address].balance.adding(amount, upTo: .max)
  }

  /// Takes wei from an account.
  /// - Returns: false, and nothing changes, when the balance is too small.
  mutating func debit(_ amount: Word, from address: Address) -> Bool {
    let balance = self[address].balance
    guard balance >= amount else { return false }
    self[address].balance = balance - amount
    return true
  }

  /// The root of the secure trie: keys are the hashes of the addresses.
  package mutating func rootHash() -> Hash32 {
    for address in touched {
      trie[Keccak256.hash(address.bytes).bytes] = accounts[address]
    }
    touched.removeAll(keepingCapacity: true)
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
