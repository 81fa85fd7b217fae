package import EthereumPrimitives

/// The chain: a state machine without a clock, a lock or a socket of its own.
///
/// The same calls with the same times give the same hashes. Time is an argument, in seconds since
/// 1970; ``MockWeb3`` holds the one lock.
package struct Chain {
  package let configuration: ChainConfiguration
  /// The state after the latest block, with what tests changed since.
  package internal(set) var state: WorldState
  var history: BlockHistory
  var pool: TransactionPool
  var clock = ChainClock()
  var mining: MiningMode
  /// The base fee that was set for the next block, in wei a unit of gas.
  var nextBaseFee: Word?
  var filters = FilterTable()
  var faults = ChainFaults()
  var snapshots = SnapshotStore()
  /// Every step so far, for a file to keep.
  var record = ChainRecord()

  var rules: ChainRules { configuration.rules }
  package var latest: Block { history.latest }

  package init(_ configuration: ChainConfiguration, now: UInt64) {
    self.configuration = configuration
    let genesis = Genesis(
      configuration: configuration, timestamp: configuration.genesisTimestamp ?? now)
    state = genesis.state
    history = BlockHistory(genesis: genesis.block, state: genesis.state)
    pool = TransactionPool(rules: configuration.poolRules)
    mining = configuration.mining
    record.note(settings)
  }

  /// Takes a transaction in, and with automatic mining makes its block.
  /// - Returns: the transaction's hash.
  package mutating func submit(
    _ incoming: IncomingTransaction, now: UInt64
  ) throws(PoolError) -> Hash32 {
    let sent = try pool.check(incoming, state: state, chain: rules)
    // The fault's point is that the sender believes it was taken in; what it was to replace stays.
    if faults.takeDrop(for: sent) { return sent.hash }
    let isReplacement = pool.holds(sent.transaction.nonce, of: sent.sender)
    pool.insert(sent)
    if filters.wantTransactions {
      for ready in pool.promoted(by: sent, isReplacement: isReplacement, state: state) {
        filters.transactionIsReady(ready)
      }
    }
    if mining.isAutomatic && !faults.isProductionStalled {
      if faults.takeStall(for: sent) {
        // The block that was due is not made; the transaction waits for the next one.
      } else {
        mineReady(now: now)
      }
    }
    if pool[sent.hash] != nil { record.append(.waiting(sent.signed.raw)) }
    reorganiseIfDue(now: now)
    return sent.hash
  }

  /// Takes transactions in that waited before, without asking again whether they may.
  mutating func wait(for transactions: [SentTransaction]) {
    pool.restore(transactions)
    for sent in transactions { record.append(.waiting(sent.signed.raw)) }
  }

  /// Makes blocks until nothing is left that could be mined.
  ///
  /// What pays too little for the base fee, or is behind a gap, waits on: an empty block would help
  /// nobody.
  private mutating func mineReady(now: UInt64) {
    while !pool.isEmpty {
      let result = build(now: now)
      for hash in result.invalid { drop(hash) }
      if result.block.transactions.isEmpty { return }
      commit(result, now: now)
    }
  }

  /// Makes one block out of what waits.
  @discardableResult
  package mutating func mine(now: UInt64) -> Block {
    let result = build(now: now)
    commit(result, now: now)
    reorganiseIfDue(now: now)
    return latest
  }

  /// Makes the block that is due by time, unless production is stalled.
  mutating func mineOnTime(now: UInt64) {
    guard !faults.isProductionStalled, !faults.takeStall(for: nil) else { return }
    mine(now: now)
  }

  private func build(now: UInt64) -> BlockBuilder.Result {
    let timestamp = clock.nextBlockTimestamp(now: now, parent: latest.header.timestamp)
    return builder(timestamp: timestamp, baseFee: nextBaseFee)
      .build(on: state, from: pool, faults: faults)
  }

  private mutating func commit(_ result: BlockBuilder.Result, now: UInt64) {
    clock.blockWasMade(at: result.block.header.timestamp, now: now)
    nextBaseFee = nil
    append(result)
  }

  private mutating func append(_ result: BlockBuilder.Result) {
    let block = result.block
    state = result.state
    let parent = latest
    record.append(ChainEvent(block, after: parent))
    history.append(block, state: result.state)
    record.note(blockAt: block.number)
    for transaction in block.transactions {
      pool.remove(transaction.hash)
      faults.transactionWasMined(transaction, in: block.number)
    }
    for hash in result.invalid { drop(hash) }
    if !pool.isEmpty { pool.dropStale(state: state) }
  }

  /// The block that would be made now, and the state it would leave behind.
  func pendingBlock(now: UInt64) -> (block: Block, state: WorldState) {
    let result = build(now: now)
    return (result.block, result.state)
  }

  /// Undoes the latest blocks and makes as many empty ones in their place; the transactions wait
  /// again, and what tests changed meanwhile stays changed.
  /// - Returns: false, and nothing changes, when the chain is too short or the states are gone.
  mutating func reorganise(depth: Int, now: UInt64) -> Bool {
    guard depth > 0, let removed = history.removeLast(depth),
      let first = removed.last, let state = history.state(after: latest.number)
    else { return false }
    filters.blocksWereRemoved(removed)
    self.state = state
    let waiting = removed.reversed().flatMap(\.transactions) + pool.transactions
    pool = TransactionPool(rules: configuration.poolRules)
    for edit in record.takeBack(to: latest.number) { self.edit(edit.change) }
    // A block of the same time and content would be the same block.
    var timestamp = first.header.timestamp.addingUpTo(1)
    for _ in 0..<depth {
      let empty = builder(timestamp: timestamp).build(on: self.state, from: pool, faults: faults)
      append(empty)
      timestamp = max(clock.time(now: now), timestamp.addingUpTo(1))
    }
    wait(for: waiting.filter { $0.transaction.nonce >= self.state[$0.sender].nonce })
    let settings = settings
    record.append(.settings(settings))
    return true
  }

  /// Carries out a reorganisation that a fault asked for, as deep as the chain allows.
  private mutating func reorganiseIfDue(now: UInt64) {
    guard let depth = faults.takeReorganisation() else { return }
    let deepest = min(depth, history.removableCount)
    if deepest > 0 { _ = reorganise(depth: deepest, now: now) }
  }

  /// Makes a block that was made before.
  /// - Parameter baseFee: what was set for it, in wei a unit of gas; nil when nothing was.
  mutating func mineAgain(
    _ transactions: [SentTransaction], forced: [Int: Revert], at timestamp: UInt64, baseFee: Word?
  ) throws -> Block {
    let result = try builder(timestamp: timestamp, baseFee: baseFee).rebuild(
      on: state, with: transactions, forced: forced)
    commit(result, now: timestamp)
    return result.block
  }

  private func builder(timestamp: UInt64, baseFee: Word? = nil) -> BlockBuilder {
    BlockBuilder(
      rules: rules, parent: latest, timestamp: timestamp, baseFee: baseFee,
      sealer: configuration.sealer)
  }
}
