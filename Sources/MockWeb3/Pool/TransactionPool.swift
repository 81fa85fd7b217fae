import EthereumPrimitives

/// The transactions that wait for a block: of each sender a run that is ready, and those behind a
/// gap in the nonces.
struct TransactionPool {
  struct Entry {
    let sent: SentTransaction
    /// Counts up: what came first is mined first, at equal tips.
    let arrival: UInt64
  }

  let rules: PoolRules
  private var entries: [Address: [UInt64: Entry]] = [:]
  private var places: [Hash32: (sender: Address, nonce: UInt64)] = [:]
  private var arrivals: UInt64 = 0

  init(rules: PoolRules) { self.rules = rules }

  var isEmpty: Bool { places.isEmpty }
  var count: Int { places.count }

  /// Everything that waits, in the order in which it came.
  var transactions: [SentTransaction] {
    entries.values.flatMap(\.values).sorted { $0.arrival < $1.arrival }.map(\.sent)
  }

  /// A waiting transaction.
  subscript(hash: Hash32) -> SentTransaction? {
    places[hash].flatMap { entries[$0.sender]?[$0.nonce]?.sent }
  }

  /// Whether a transaction may be taken in, or take the place of one with the same nonce and lower
  /// fees; nothing changes.
  /// - Returns: the transaction with its sender, for ``insert(_:)``.
  func check(
    _ incoming: IncomingTransaction, state: WorldState, chain: ChainRules
  ) throws(PoolError) -> SentTransaction {
    try rules.checkAtTheDoor(incoming.signed.transaction)
    guard places[incoming.signed.hash] == nil else { throw .alreadyKnown }
    let sent = try rules.checkAlone(incoming, chain: chain)
    let old = entries[sent.sender]?[sent.transaction.nonce]
    try checkAgainstState(sent, replacing: old, account: state[sent.sender])
    if let old {
      guard rules.canReplace(old.sent.transaction.fee, by: sent.transaction.fee) else {
        throw .replacementUnderpriced
      }
    } else if count >= rules.capacity {
      throw .poolFull
    }
    return sent
  }

  private func checkAgainstState(
    _ sent: SentTransaction, replacing old: Entry?, account: Account
  ) throws(PoolError) {
    guard sent.transaction.nonce >= account.nonce else {
      throw .nonceTooLow(next: account.nonce, nonce: sent.transaction.nonce)
    }
    let cost = sent.transaction.maximumCost
    guard sent.transaction.isCovered(by: account.balance) else {
      throw .insufficientFunds(balance: account.balance, cost: cost)
    }
    // What is behind a gap costs nothing yet, nor does a replacement save what it would have cost.
    let ready = ready(of: sent.sender, from: account.nonce)
    var queued = Word.zero
    for entry in ready { queued = queued.adding(entry.sent.transaction.maximumCost, upTo: .max) }
    let isBump = old != nil && sent.transaction.nonce - account.nonce < UInt64(ready.count)
    let saved = isBump ? old?.sent.transaction.maximumCost ?? .zero : .zero
    let needed = (queued - min(queued, saved)).adding(cost, upTo: .max)
    guard account.balance >= needed else {
      throw isBump && cost >= saved
        ? .insufficientFundsForBump(
          balance: account.balance, queued: queued, bump: cost - saved,
          overshot: needed - account.balance)
        : .insufficientFundsForQueue(balance: account.balance, queued: queued, cost: cost)
    }
  }

  /// Puts transactions back that a block held which is no longer part of the chain.
  mutating func restore(_ transactions: [SentTransaction]) {
    for sent in transactions where places[sent.hash] == nil { insert(sent) }
  }

  /// Takes a transaction in that was checked.
  mutating func insert(_ sent: SentTransaction) {
    if let old = entries[sent.sender]?[sent.transaction.nonce] { places[old.sent.hash] = nil }
    entries[sent.sender, default: [:]][sent.transaction.nonce] = Entry(
      sent: sent, arrival: arrivals)
    places[sent.hash] = (sent.sender, sent.transaction.nonce)
    arrivals += 1
  }

  /// Takes a transaction out.
  @discardableResult
  mutating func remove(_ hash: Hash32) -> SentTransaction? {
    guard let place = places.removeValue(forKey: hash) else { return nil }
    let removed = entries[place.sender]?.removeValue(forKey: place.nonce)
    if entries[place.sender]?.isEmpty == true { entries[place.sender] = nil }
    return removed?.sent
  }

  /// Takes out what can no longer be mined, since its nonce was used.
  mutating func dropStale(state: WorldState) {
    for (sender, own) in entries {
      let nonce = state[sender].nonce
      for entry in own.values where entry.sent.transaction.nonce < nonce { remove(entry.sent.hash) }
    }
  }

  /// A sender's transactions without a gap from a nonce on, in order.
  private func ready(of sender: Address, from nonce: UInt64) -> [Entry] {
    guard let own = entries[sender] else { return [] }
    var run: [Entry] = []
    // Behind the last nonce there is none (EIP-2681).
    while run.count <= UInt64.max - nonce, let entry = own[nonce + UInt64(run.count)] {
      run.append(entry)
    }
    return run
  }

  /// What became ready when a transaction was taken in: itself, and what waited behind the gap that
  /// it filled; nothing while it is behind a gap itself.
  /// - Parameter isReplacement: whether it took the place of another one, which was no gap.
  func promoted(
    by sent: SentTransaction, isReplacement: Bool, state: WorldState
  ) -> [SentTransaction] {
    let ready = ready(of: sent.sender, from: state[sent.sender].nonce).map(\.sent)
    let first = ready.drop { $0.hash != sent.hash }
    return Array(isReplacement ? first.prefix(1) : first)
  }

  /// Whether a sender has a transaction of a nonce here.
  func holds(_ nonce: UInt64, of sender: Address) -> Bool { entries[sender]?[nonce] != nil }

  /// The nonce of the next transaction of a sender, those that are ready counted in.
  func nextNonce(of sender: Address, state: WorldState) -> UInt64 {
    let nonce = state[sender].nonce
    return nonce.addingUpTo(UInt64(ready(of: sender, from: nonce).count))
  }

  /// Every sender's run that could be mined now.
  func pending(state: WorldState) -> [Address: [Entry]] {
    var runs: [Address: [Entry]] = [:]
    for sender in entries.keys {
      let run = ready(of: sender, from: state[sender].nonce)
      if !run.isEmpty { runs[sender] = run }
    }
    return runs
  }

  /// Every sender's transactions behind a gap, in the order of their nonces.
  func queued(state: WorldState) -> [Address: [Entry]] {
    var queued: [Address: [Entry]] = [:]
    for (sender, own) in entries {
      let next = nextNonce(of: sender, state: state)
      let behind = own.values.filter { $0.sent.transaction.nonce >= next }
      if !behind.isEmpty {
        queued[sender] = behind.sorted { $0.sent.transaction.nonce < $1.sent.transaction.nonce }
      }
    }
    return queued
  }
}
