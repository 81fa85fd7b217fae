import EVM
import EthereumPrimitives

/// Makes the next block from the pool's pending transactions.
struct BlockBuilder {
  let machine: ChainMachine
  /// The machine's rules with the coinbase and the gas limit of this block.
  let rules: ChainRules
  /// The blocks before; the last one is the parent.
  let history: BlockHistory
  let timestamp: UInt64
  let sealer: SecretKey?
  let environment: BlockContext

  /// - Parameter baseFee: the one that was set for the block, in wei a unit of gas; nil for the rule's.
  init(
    machine: ChainMachine, rules: ChainRules, history: BlockHistory, timestamp: UInt64,
    baseFee: Word?, sealer: SecretKey?
  ) {
    self.machine = machine
    self.rules = rules
    self.history = history
    self.timestamp = timestamp
    self.sealer = sealer
    let parent = history.latest
    environment = BlockContext(
      number: parent.number + 1, timestamp: timestamp,
      coinbase: rules.author(coinbase: rules.coinbase),
      gasLimit: rules.blockGasLimit, baseFee: baseFee ?? BaseFee.next(after: parent.header),
      difficulty: Word(Seal.difficulty(sealer: sealer)), chainID: rules.chainID)
  }

  /// A block, the state after it, and the transactions to remove from the pool.
  struct Result {
    let block: Block
    let state: WorldState
    /// Transactions that can never be mined.
    var invalid: [Hash32] = []
  }

  private var parent: Block { history.latest }

  /// Makes the block.
  /// - Parameters:
  ///   - state: the state after the parent, with what tests changed since.
  ///   - faults: reverts that are forced on transactions.
  func build(
    on state: WorldState, from pool: TransactionPool, faults: ChainFaults
  ) -> Result {
    var executor = TransactionExecutor(
      state: state, block: environment, machine: machine, history: history)
    var queue = MiningQueue(pool.pending(state: state), baseFee: environment.baseFee)
    var included: [RecoveredTransaction] = []
    var invalid: [Hash32] = []
    var reverts: [Int: Revert] = [:]
    while let sent = queue.next {
      do {
        let forced = faults.hasReverts ? faults.revert(for: sent, after: included) : nil
        try executor.apply(sent, forcedRevert: forced)
        reverts[included.count] = forced
        included.append(sent)
        queue.advance()
      } catch {
        switch error {
        case .nonceTooLow, .insufficientFunds, .invalid: invalid.append(sent.hash)
        case .nonceTooHigh, .feeCapBelowBaseFee, .gasLimitReached: break
        }
        // What the same sender sent after it has to wait as well.
        queue.dropSender()
      }
    }
    var result = seal(&executor, included, forced: reverts)
    result.invalid = invalid
    return result
  }

  /// Makes a block again, of the transactions that it had.
  /// - Throws: ``InclusionError`` when one cannot be part of it.
  func rebuild(
    on state: WorldState, with transactions: [RecoveredTransaction], forced: [Int: Revert]
  ) throws(InclusionError) -> Result {
    var executor = TransactionExecutor(
      state: state, block: environment, machine: machine, history: history)
    for (index, sent) in transactions.enumerated() {
      try executor.apply(sent, forcedRevert: forced[index])
    }
    return seal(&executor, transactions, forced: forced)
  }

  /// Makes the block of the transactions that ran; the executor's state gets the block's reward.
  private func seal(
    _ executor: inout TransactionExecutor, _ included: [RecoveredTransaction],
    forced: [Int: Revert]
  ) -> Result {
    executor.state.credit(rules.blockReward, to: rules.poolAddress)
    var bloom = LogsBloom()
    for receipt in executor.receipts where !receipt.logs.isEmpty { bloom.formUnion(receipt.bloom) }
    var header = BlockHeader(
      parentHash: parent.hash, coinbase: rules.coinbase, stateRoot: executor.state.rootHash(),
      transactionsRoot: MerkleTrie.root(ofList: included.map(\.signed.raw)),
      receiptsRoot: ReceiptsTrie.root(of: executor.receipts),
      logsBloom: bloom.bytes, difficulty: 0, number: environment.number,
      gasLimit: rules.blockGasLimit, gasUsed: executor.gasUsed, timestamp: timestamp,
      extraData: [], baseFeePerGas: environment.baseFee, fork: Seal.fork(rules, sealer: sealer))
    Seal.apply(to: &header, sealer: sealer, rules)
    let block = Block(
      header: header, transactions: included, receipts: executor.receipts,
      forcedReverts: forced, parentDifficulty: parent.totalDifficulty)
    return Result(block: block, state: executor.state)
  }
}

/// The waiting transactions in the order in which they are mined: the highest tip first, then what
/// came first; of one sender by nonce.
private struct MiningQueue {
  private var runs: [ArraySlice<TransactionPool.Entry>]
  private let baseFee: Word
  private var best: Int?

  init(_ pending: [Address: [TransactionPool.Entry]], baseFee: Word) {
    runs = pending.values.map { $0[...] }
    self.baseFee = baseFee
    choose()
  }

  var next: RecoveredTransaction? { best.flatMap { runs[$0].first?.sent } }

  mutating func advance() {
    guard let best else { return }
    runs[best].removeFirst()
    if runs[best].isEmpty { runs.remove(at: best) }
    choose()
  }

  mutating func dropSender() {
    guard let best else { return }
    runs.remove(at: best)
    choose()
  }

  private mutating func choose() {
    best = runs.indices.max { left, right in
      guard let left = runs[left].first, let right = runs[right].first else { return false }
      let (leftTip, rightTip) = (tip(left), tip(right))
      return leftTip == rightTip ? left.arrival > right.arrival : leftTip < rightTip
    }
  }

  /// What the miner gets for a unit of gas; nothing when the base fee is not even covered.
  private func tip(_ entry: TransactionPool.Entry) -> Word {
    let price = entry.sent.transaction.fee.effectiveGasPrice(baseFee: baseFee)
    return price.map { $0 - baseFee } ?? .zero
  }
}

/// The first block, and the state after it.
struct Genesis {
  let state: WorldState
  let block: Block

  init(configuration: ChainConfiguration, timestamp: UInt64) {
    let rules = configuration.rules
    let fork = configuration.fork.map { ForkedState($0.remote) }
    var state = WorldState(fork: fork)
    if rules.profile != .default { state.records.precompileAgents = AgentLedger() }
    for program in NativeProgram.programs(of: rules) where program.isContract {
      // A contract's nonce begins at 1 (EIP-161).
      let address = program.address(rules: rules)
      let balance = fork?.account(address).balance ?? .zero
      state[address] = Account(nonce: 1, balance: balance, isNative: true)
    }
    if rules.profile == .mainnet2026, fork == nil {
      for (address, account) in MainnetContract.accounts { state.set(account, at: address) }
    }
    for (address, account) in configuration.genesisAccounts { state.set(account, at: address) }
    if let origin = configuration.fork {
      for account in configuration.accounts { state[account.address].balance = account.balance }
      for (address, balance) in configuration.balances { state[address].balance = balance }
      // The tries take the accounts; the root that comes out is nobody's.
      _ = state.rootHash()
      fork?.requireNoMisses()
      self.state = state
      block = origin.block
      return
    }
    for account in configuration.accounts { state.credit(account.balance, to: account.address) }
    for (address, balance) in configuration.balances { state.credit(balance, to: address) }
    var header = BlockHeader(
      parentHash: .zero, coinbase: .zero, stateRoot: state.rootHash(),
      transactionsRoot: MerkleTrie<[UInt8]>.emptyRoot,
      receiptsRoot: MerkleTrie<[UInt8]>.emptyRoot, logsBloom: LogsBloom().bytes, difficulty: 0,
      number: 0, gasLimit: rules.blockGasLimit, gasUsed: 0, timestamp: timestamp, extraData: [],
      baseFeePerGas: configuration.genesisBaseFee ?? BaseFee.initial,
      fork: Seal.fork(rules, sealer: configuration.sealer))
    Seal.apply(to: &header, sealer: configuration.sealer, rules)
    self.state = state
    block = Block(header: header, transactions: [], receipts: [], parentDifficulty: 0)
  }
}
