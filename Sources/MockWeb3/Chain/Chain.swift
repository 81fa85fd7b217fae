import DequeModule
import EVM
package import EthereumPrimitives

/// The chain: a state machine without a clock, a lock or a socket of its own.
///
/// The same calls with the same times give the same hashes. Time is an argument, in seconds since
/// 1970; ``MockWeb3`` holds the one lock.
package struct Chain {
  package let configuration: ChainConfiguration
  /// Runs the transactions by the configuration's rules.
  let machine: ChainMachine
  /// The state after the latest block, with what tests changed since.
  package internal(set) var state: WorldState
  var history: BlockHistory
  var pool: TransactionPool
  var clock = ChainClock()
  var mining: MiningMode
  /// The base fee that was set for the next block, in wei a unit of gas.
  var nextBaseFee: Word?
  /// What a test set for the blocks to come.
  var blockSettings = BlockSettings()
  var impersonation = Impersonation()
  /// Whether requests are passed on to the one that logs them.
  var isLoggingEnabled = true
  var filters = FilterTable()
  var faults = ChainFaults()
  /// What happened and is not published yet.
  var news = ChainNewsLog()
  var snapshots = SnapshotStore()
  /// Every step so far, for a file to keep.
  var record = ChainRecord()

  var rules: ChainRules { configuration.rules }
  /// The rules with what a test set for the blocks to come.
  var currentRules: ChainRules { blockSettings.applied(to: rules) }
  package var latest: Block { history.latest }

  package init(_ original: ChainConfiguration, now: UInt64) {
    var configuration = original
    configuration.rules.sealer = configuration.sealer?.address
    self.configuration = configuration
    machine = ChainMachine(rules: configuration.rules)
    let genesis = Genesis(
      configuration: configuration, timestamp: configuration.genesisTimestamp ?? now)
    state = genesis.state
    history = BlockHistory(genesis: genesis.block, state: genesis.state)
    pool = TransactionPool(rules: configuration.poolRules)
    mining = configuration.mining
    record.note(settings)
  }

  /// Adds a transaction to the pool, and with automatic mining makes its block.
  /// - Returns: the transaction's hash.
  package mutating func submit(
    _ incoming: IncomingTransaction, now: UInt64
  ) throws(PoolError) -> Hash32 {
    let sent = try pool.check(incoming, state: state, chain: currentRules)
    // The fault's point is that the sender believes it was taken in; what it was to replace stays.
    if faults.takeDrop(for: sent) { return sent.hash }
    let isReplacement = pool.contains(sent.transaction.nonce, of: sent.sender)
    pool.insert(sent)
    if filters.hasPendingTransactionFilter || news.isWanted {
      for ready in pool.promoted(by: sent, isReplacement: isReplacement, state: state) {
        filters.transactionIsReady(ready)
        news.add(.ready(ready))
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

  /// Puts transactions back into the pool without validating them again.
  mutating func restorePending(_ transactions: [RecoveredTransaction]) {
    pool.restore(transactions)
    for sent in transactions { record.append(.waiting(sent.signed.raw)) }
  }

  /// Makes blocks until nothing is left that could be mined.
  ///
  /// What pays too little for the base fee, or is behind a gap, stays pending; no empty block is
  /// made.
  private mutating func mineReady(now: UInt64) {
    while !pool.isEmpty {
      let result = build(now: now)
      for hash in result.invalid { drop(hash) }
      if result.block.transactions.isEmpty { return }
      commit(result, now: now)
    }
  }

  /// Makes one block of the pending transactions.
  @discardableResult
  package mutating func mine(now: UInt64) -> Block {
    let result = build(now: now)
    commit(result, now: now)
    reorganiseIfDue(now: now)
    return latest
  }

  /// Makes the block that is due by time, unless production is stalled.
  mutating func mineScheduledBlock(now: UInt64) {
    guard !faults.isProductionStalled, !faults.takeStall(for: nil) else { return }
    mine(now: now)
  }

  private func build(now: UInt64) -> BlockBuilder.Result {
    let parent = latest.header.timestamp
    let interval = clock.nextTimestamp == nil ? blockSettings.timestampInterval : nil
    let timestamp =
      interval.map { parent.addingSaturating(max($0, 1)) }
      ?? clock.nextBlockTimestamp(now: now, parent: parent)
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
    let rules = rules
    record.append(ChainEvent(block, after: parent, rules: rules))
    history.append(block, state: result.state)
    news.add(.block(block))
    record.note(blockAt: block.number)
    for transaction in block.transactions {
      pool.remove(transaction.hash)
      faults.transactionWasMined(transaction, in: block.number)
    }
    for hash in result.invalid { drop(hash) }
    if !pool.isEmpty { pool.dropUnminable(state: state) }
  }

  /// The block that would be made now, and the state it would leave behind.
  func pendingBlock(now: UInt64) -> (block: Block, state: WorldState) {
    let result = build(now: now)
    return (result.block, result.state)
  }

  /// Replaces the latest blocks by as many empty ones; their transactions are pending again, and
  /// changes by tests stay.
  /// - Returns: false, and nothing changes, when the chain is too short or the states are gone.
  mutating func reorganise(depth: Int, now: UInt64) -> Bool {
    guard depth > 0, let removed = history.removeLast(depth),
      let first = removed.last, let state = history.state(after: latest.number)
    else { return false }
    filters.blocksWereRemoved(removed)
    news.add(.removed(removed))
    self.state = state
    let waiting = removed.reversed().flatMap(\.transactions) + pool.transactions
    pool = TransactionPool(rules: configuration.poolRules)
    for edit in record.rollBack(to: latest.number) { self.edit(edit.change) }
    // A block of the same time and content would be the same block.
    var timestamp = first.header.timestamp.addingSaturating(1)
    for _ in 0..<depth {
      let empty = builder(timestamp: timestamp).build(on: self.state, from: pool, faults: faults)
      append(empty)
      timestamp = max(clock.time(now: now), timestamp.addingSaturating(1))
    }
    restorePending(waiting.filter { $0.transaction.nonce >= self.state[$0.sender].nonce })
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

  /// Takes the latest blocks off; their transactions are gone, and the state is the one before.
  /// - Returns: false, and nothing changes, when the chain is too short or the states are gone.
  mutating func rollBack(depth: Int) -> Bool {
    guard depth > 0, let removed = history.removeLast(depth),
      let state = history.state(after: latest.number)
    else { return false }
    filters.blocksWereRemoved(removed)
    news.add(.removed(removed))
    self.state = state
    let waiting = pool.transactions
    pool = TransactionPool(rules: configuration.poolRules)
    let height = latest.number
    for edit in record.rollBack(to: height) where edit.height == height { self.edit(edit.change) }
    restorePending(waiting)
    let settings = settings
    record.append(.settings(settings))
    return true
  }

  /// Makes a block that was made before.
  mutating func replayBlock(
    _ step: BlockStep, of transactions: [RecoveredTransaction]
  ) throws -> Block {
    let result = try rebuild(step, of: transactions)
    commit(result, now: step.timestamp)
    return result.block
  }

  /// A function of its own, so that the builder's copy of the history is gone when the block is appended:
  /// what two have is copied whole with the first write.
  private func rebuild(
    _ step: BlockStep, of transactions: [RecoveredTransaction]
  ) throws -> BlockBuilder.Result {
    let builder = BlockBuilder(
      machine: machine, rules: step.rules(after: latest, rules), history: history,
      timestamp: step.timestamp, baseFee: step.baseFee, sealer: configuration.sealer)
    return try builder.rebuild(
      on: state, with: transactions, forced: step.forced.mapValues { Revert(output: $0) })
  }

  private func builder(timestamp: UInt64, baseFee: Word? = nil) -> BlockBuilder {
    BlockBuilder(
      machine: machine, rules: currentRules, history: history, timestamp: timestamp,
      baseFee: baseFee, sealer: configuration.sealer)
  }
}

/// What tests change, with a note of it in the record.
extension Chain {
  /// Makes a change to the state.
  package mutating func edit(_ change: StateEdit.Change) {
    state.apply(change)
    switch change {
    case .nonce, .balance: pool.dropUnminable(state: state)
    default: break
    }
    record.append(StateEdit(height: latest.number, change: change))
  }

  /// Takes a transaction out of the pool.
  @discardableResult
  mutating func drop(_ hash: Hash32) -> RecoveredTransaction? {
    guard let sent = pool.remove(hash) else { return nil }
    record.append(.dropped(hash))
    return sent
  }

  /// Restores an earlier state; the file gets a step that records it.
  mutating func restore(_ earlier: Chain) {
    let (old, news, filters, faults) = (record, news, filters, faults)
    self = earlier
    self.news = news
    // What was ordered of the chain is no part of it: a used-up fault does not come back.
    self.faults = faults
    self.filters.skipIDs(of: filters)
    record.restore(after: old)
  }

  /// Replaces the chain by another one, and clears all faults, those of connections included.
  ///
  /// A file that kept this chain is written anew.
  mutating func replace(with other: Chain) {
    let (old, news, faults) = (record, news, faults)
    self = other
    self.news = news
    record.takeOver(fileOf: old)
    // Who observes faults observes those of the new chain, and their seed stays.
    self.faults = faults
    self.faults.clear()
  }

  /// Clock and mining mode, as the record keeps them.
  var settings: ChainSettings {
    get {
      let milliseconds = mining.interval.map { interval in
        let (seconds, attoseconds) = min(interval, MiningMode.longestInterval).components
        return max(1, seconds * 1000 + attoseconds / 1_000_000_000_000_000)
      }
      return ChainSettings(
        clockOffset: clock.offset, nextTimestamp: clock.nextTimestamp, nextBaseFee: nextBaseFee,
        isAutomatic: mining.isAutomatic, intervalMilliseconds: milliseconds,
        blocks: blockSettings)
    }
    set {
      clock.offset = newValue.clockOffset
      clock.nextTimestamp = newValue.nextTimestamp
      nextBaseFee = newValue.nextBaseFee
      blockSettings = newValue.blocks
      mining.isAutomatic = newValue.isAutomatic
      mining.interval = newValue.intervalMilliseconds.map { .milliseconds($0) }
      record.note(newValue)
    }
  }
}

/// A change that a test made to the state, on top of a block.
///
/// It belongs to no block, so that undoing blocks does not undo it: coins that a test gave stay.
package struct StateEdit: Hashable, Sendable {
  package enum Change: Hashable, Sendable {
    /// The balance became so much, in wei.
    case balance(Address, Word)
    /// So much was added to the balance, in wei.
    case credit(Address, Word)
    case nonce(Address, UInt64)
    /// The account got this code.
    case code(Address, [UInt8])
    /// A slot of the account's storage got a value.
    case storage(Address, slot: Word, value: Word)
  }

  /// The height of the block that was the latest.
  let height: UInt64
  let change: Change
}

extension WorldState {
  /// Makes a change of a test's.
  mutating func apply(_ change: StateEdit.Change) {
    switch change {
    case .balance(let address, let balance): self[address].balance = balance
    case .credit(let address, let amount): credit(amount, to: address)
    case .nonce(let address, let nonce): self[address].nonce = nonce
    case .code(let address, let code): setCode(at: address, to: Code(code))
    case .storage(let address, let slot, let value):
      setStorage(at: address, slot: slot, to: value)
    }
  }
}

/// The chain's snapshots; each is a whole chain, and reverting to one drops those made later.
///
/// Bounded, since each keeps tables of every block and transaction: of too many the oldest goes.
struct SnapshotStore {
  private struct Snapshot {
    let id: UInt64
    let chain: Chain
    /// The chain's time when it was made, in seconds since 1970.
    let time: UInt64
  }

  /// How many snapshots are kept.
  static let limit = 1000

  private var nextID: UInt64 = 1
  private var kept: Deque<Snapshot> = []

  fileprivate mutating func add(_ chain: Chain, time: UInt64) -> UInt64 {
    defer { nextID += 1 }
    if kept.count >= Self.limit { kept.removeFirst() }
    kept.append(Snapshot(id: nextID, chain: chain, time: time))
    return nextID
  }

  /// The chain of a snapshot, which stays usable, and its time.
  fileprivate mutating func take(_ id: UInt64) -> (chain: Chain, time: UInt64)? {
    guard let index = kept.firstIndex(where: { $0.id == id }) else { return nil }
    kept.removeSubrange((index + 1)...)
    return (kept[index].chain, kept[index].time)
  }
}

extension Chain {
  /// Keeps everything as it is: state, blocks, pool, clock, mining mode and filters.
  package mutating func snapshot(now: UInt64) -> UInt64 {
    var copy = self
    copy.snapshots = SnapshotStore()
    return snapshots.add(copy, time: clock.time(now: now))
  }

  /// Reverts to a snapshot, clock included; the same snapshot can be used again.
  /// - Returns: false when there is no such snapshot.
  package mutating func revert(to id: UInt64, now: UInt64) -> Bool {
    var store = snapshots
    guard let (kept, time) = store.take(id) else { return false }
    var chain = kept
    chain.snapshots = store
    // Faults are the test's, not the chain's.
    chain.faults = faults
    chain.clock.set(to: time, now: now)
    restore(chain)
    return true
  }
}
