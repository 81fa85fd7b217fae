public import EthereumPrimitives

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

  /// Keeps everything as it is.
  /// - Returns: what ``revert(to:)`` takes.
  public func snapshot() -> UInt64 {
    let now = now
    return change { $0.snapshot(now: now) }
  }

  /// Goes back to a snapshot: state, blocks, waiting transactions, clock, mining mode and filters;
  /// the chain's time goes on from the snapshot's.
  /// - Returns: false when there is no such snapshot.
  @discardableResult
  public func revert(to snapshot: UInt64) -> Bool {
    let now = now
    return change { $0.revert(to: snapshot, now: now) }
  }

  /// Undoes the latest blocks, and makes as many empty ones in their place; the transactions wait
  /// again, and what tests changed meanwhile, coins they gave included, stays changed.
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

  /// Adds a fault that happens once, to whatever comes first.
  public func inject(_ fault: ChainFault) { inject(ChainFaultRule(fault)) }

  /// Stops making blocks, but for those that are asked for, or goes on.
  public func stallBlocks(_ isStalled: Bool) {
    change { $0.faults.isProductionStalled = isStalled }
  }

  /// Takes all faults back, those of connections included.
  public func clearFaults() {
    change { $0.faults.clear() }
  }
}
