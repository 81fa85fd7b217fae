public import EthereumPrimitives
public import Foundation
import SystemErrors

/// What tests do to the chain without a request.
extension MockWeb3 {
  /// Makes blocks.
  /// - Returns: the latest one.
  @discardableResult
  public func mine(_ count: Int = 1) -> Block {
    precondition(count > 0, "at least one block is made, not \(count)")
    let now = now
    return change { chain in
      for _ in 1..<count { chain.mine(now: now) }
      return chain.mine(now: now)
    }
  }

  /// Makes blocks until the reward pool is in its next epoch.
  /// - Returns: the number of the epoch that ended.
  @discardableResult
  public func endEpoch() -> UInt64 {
    let now = now
    return change { chain in
      let epoch = chain.rules.epoch(at: chain.latest.number)
      while chain.rules.epoch(at: chain.latest.number) == epoch { chain.mine(now: now) }
      return epoch
    }
  }

  /// Gives coins to an account.
  public func fund(_ address: Address, _ amount: Word = DevelopmentAccount.defaultBalance) {
    change { $0.edit(.credit(address, amount)) }
  }

  /// A new account with coins.
  public func makeAccount(balance: Word = DevelopmentAccount.defaultBalance) -> DevelopmentAccount {
    let account = DevelopmentAccount(key: .random(), balance: balance)
    fund(account.address, balance)
    return account
  }

  /// Sets the balance of an account, in wei.
  public func setBalance(of address: Address, to balance: Word) {
    change { $0.edit(.balance(address, balance)) }
  }

  /// Says when blocks are made from now on.
  public func setMining(_ mode: MiningMode) {
    change { $0.mining = mode }
  }

  /// Moves the chain's clock; the next block is at least so much later than the latest.
  /// - Parameter seconds: whole seconds.
  public func increaseTime(by seconds: UInt64) {
    let now = now
    change { chain in
      chain.clock.advance(by: seconds, now: now, latest: chain.latest.header.timestamp)
    }
  }

  /// Takes a snapshot of the chain.
  /// - Returns: its id, for ``revert(to:)``.
  public func snapshot() -> UInt64 {
    let now = now
    return change { $0.snapshot(now: now) }
  }

  /// Reverts to a snapshot: state, blocks, waiting transactions, clock, mining mode and filters;
  /// the chain's time continues from the snapshot's.
  /// - Returns: false when there is no such snapshot.
  @discardableResult
  public func revert(to snapshot: UInt64) -> Bool {
    let now = now
    return change { $0.revert(to: snapshot, now: now) }
  }

  /// Replaces the latest blocks by as many empty ones; their transactions are pending again, and
  /// changes by tests, such as balances, stay.
  /// - Returns: false when the chain is too short or the states below are no longer kept.
  @discardableResult
  public func reorganise(depth: Int) -> Bool {
    let now = now
    return change { $0.reorganise(depth: depth, now: now) }
  }

  /// Adds a fault.
  public func inject(_ rule: ChainFaultRule) { change { $0.faults.add(rule) } }

  /// Seeds the draws of faults that have a probability: the same seed and requests, the same faults.
  public func seedFaults(_ seed: UInt64) { change { $0.faults.seed = seed } }

  /// Adds a fault that happens once, to the first request or transaction.
  public func inject(_ fault: ChainFault) { inject(ChainFaultRule(fault)) }

  /// Stops or resumes automatic and timed blocks; blocks on request are still made.
  public func stallBlocks(_ isStalled: Bool) {
    change { $0.faults.isProductionStalled = isStalled }
  }

  /// Takes all faults back, those of connections included.
  public func clearFaults() {
    change { $0.faults.clear() }
  }
}

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
  public func transaction(_ hash: Hash32) -> RecoveredTransaction? {
    read { chain in
      chain.history.find(hash).map { $0.block.transactions[$0.index] }
    }
  }

  /// The receipt of a mined transaction, also when a fault withholds it from clients.
  public func receipt(of hash: Hash32) -> TransactionReceipt? {
    read { chain in chain.history.find(hash).map { $0.block.receipts[$0.index] } }
  }

  /// All mined transactions, the oldest first.
  public var transactions: [RecoveredTransaction] {
    read { $0.history.blocks.flatMap(\.transactions) }
  }

  /// The record of an agent in the precompiles; nil when it is not registered.
  public func agent(_ address: Address) -> RegisteredAgent? {
    read { $0.state.agents[address] }
  }

  /// Whether an address is registered as an agent, as the oracle checks.
  public func isRegistered(_ address: Address) -> Bool { agent(address) != nil }

  /// The contributions of an agent, over all epochs.
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

/// A chain written to a file, and read from one.
extension MockWeb3 {
  /// Writes the whole chain to a file: blocks, waiting transactions, changes by tests, the clock.
  ///
  /// The file is there whole, or not at all; one that keeps a running chain is left alone.
  /// - Throws: `FileError` of code `unusable` or `inUse`.
  public func dump(to url: URL) throws {
    let text = read { $0.state.fork == nil ? StateFileFormat.text(of: $0) : nil }
    guard let text else { throw FileError.forkedChain.ofFile(url.path) }
    let file = try StateFile(url)
    do { try file.write(text) } catch {
      file.removeIfNew()
      throw error
    }
  }

  /// Becomes the chain that a file holds; snapshots, filters and faults are gone.
  /// - Throws: `FileError`, and nothing changes, when the file is none, damaged, or of a
  ///   chain that began with other accounts, another id or other rules.
  public func load(from url: URL) throws {
    guard read({ $0.state.fork == nil }) else { throw FileError.forkedChain.ofFile(url.path) }
    let text: [UInt8]
    do { text = Array(try Data(contentsOf: url)) } catch {
      throw FileError.unusable(
        path: url.path, purpose: .chainState, reason: error.systemReason, cause: error)
    }
    let loaded = try StateFileFormat.reading(
      of: text, inFile: url, configuration: configuration, now: now)
    change { $0.replace(with: loaded.chain) }
  }
}
