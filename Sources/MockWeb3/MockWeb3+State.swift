public import EthereumPrimitives

/// What tests read without a request.
extension MockWeb3 {
  /// The height of the latest block.
  public var blockNumber: UInt64 { read { $0.latest.number } }

  /// The latest block.
  public var latestBlock: Block { read { $0.latest } }

  /// The block at a height, or nil.
  public func block(_ number: UInt64) -> Block? { read { $0.history[number] } }

  /// Wei of an account.
  public func balance(of address: Address) -> Word {
    read { $0.state[address].balance }
  }

  /// How many transactions an account has sent.
  public func nonce(of address: Address) -> UInt64 { read { $0.state[address].nonce } }

  /// A mined transaction with its sender, or nil.
  public func transaction(_ hash: Hash32) -> SentTransaction? {
    read { chain in
      chain.history.find(hash).map { $0.block.transactions[$0.index] }
    }
  }

  /// The receipt of a mined transaction, also when a fault withholds it from clients.
  public func receipt(of hash: Hash32) -> TransactionReceipt? {
    read { chain in chain.history.find(hash).map { $0.block.receipts[$0.index] } }
  }

  /// All mined transactions, the oldest first.
  public var transactions: [SentTransaction] {
    read { $0.history.blocks.flatMap(\.transactions) }
  }

  /// What the precompiles know of an agent, or nil when it is not registered.
  public func agent(_ address: Address) -> AgentRecord? {
    read { $0.state.agents[address] }
  }

  /// Whether an address is registered as an agent: what the oracle asks.
  public func isRegistered(_ address: Address) -> Bool { agent(address) != nil }

  /// What an agent has contributed so far, over all epochs.
  public func contribution(of agent: Address) -> ContributionRecord? {
    read { $0.state.pool.contributions[agent] }
  }

  /// Wei that an agent can claim.
  public func pendingReward(of agent: Address) -> Word {
    read { $0.state.pool.pending[agent] ?? .zero }
  }

  /// The reward pool's epoch at the latest block.
  public var epoch: UInt64 {
    read { $0.rules.epoch(at: $0.latest.number) }
  }

  /// How many transactions wait for a block.
  public var waitingTransactionCount: Int { read { $0.pool.count } }
}
