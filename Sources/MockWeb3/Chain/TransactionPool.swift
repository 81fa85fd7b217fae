import EVM
package import EthereumPrimitives
import Foundation

/// The transactions that wait for a block: of each sender a run that is ready, and those after a
/// gap in the nonces.
struct TransactionPool {
  struct Entry {
    let sent: RecoveredTransaction
    /// Counts up: what came first is mined first, at equal tips.
    let arrival: UInt64
  }

  let rules: PoolRules
  private var senders: [Address: SenderTransactions] = [:]
  private var places: [Hash32: (sender: Address, nonce: UInt64)] = [:]
  private var arrivals: UInt64 = 0

  init(rules: PoolRules) { self.rules = rules }

  var isEmpty: Bool { places.isEmpty }
  var count: Int { places.count }

  /// Everything that waits, in the order in which it came.
  var transactions: [RecoveredTransaction] {
    senders.values.flatMap(\.all).sorted { $0.arrival < $1.arrival }.map(\.sent)
  }

  /// A waiting transaction.
  subscript(hash: Hash32) -> RecoveredTransaction? {
    places[hash].flatMap { senders[$0.sender]?[$0.nonce]?.sent }
  }

  /// Whether a transaction may be taken in, or take the place of one with the same nonce and lower
  /// fees; nothing changes.
  /// - Returns: the transaction with its sender, for ``insert(_:)``.
  func check(
    _ incoming: IncomingTransaction, state: WorldState, chain: ChainRules
  ) throws(PoolError) -> RecoveredTransaction {
    try rules.checkStateless(incoming.signed.transaction)
    guard places[incoming.signed.hash] == nil else { throw .alreadyKnown }
    let sent = try rules.validate(incoming, chain: chain)
    let old = senders[sent.sender]?[sent.transaction.nonce]
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
    _ sent: RecoveredTransaction, replacing old: Entry?, account: Account
  ) throws(PoolError) {
    guard sent.transaction.nonce >= account.nonce else {
      throw .nonceTooLow(next: account.nonce, nonce: sent.transaction.nonce)
    }
    let cost = sent.transaction.maximumCost
    guard sent.transaction.isCovered(by: account.balance) else {
      throw .insufficientFunds(balance: account.balance, cost: cost)
    }
    // What is behind a gap costs nothing yet, nor does a replacement save what it would have cost.
    let queued = senders[sent.sender]?.cost(from: account.nonce) ?? .zero
    let isBump =
      old != nil && ready(of: sent.sender, from: account.nonce).contains(sent.transaction.nonce)
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
  mutating func restore(_ transactions: [RecoveredTransaction]) {
    for sent in transactions where places[sent.hash] == nil { insert(sent) }
  }

  /// Takes a transaction in that was checked.
  mutating func insert(_ sent: RecoveredTransaction) {
    let entry = Entry(sent: sent, arrival: arrivals)
    if let old = senders[sent.sender]?[sent.transaction.nonce] { places[old.sent.hash] = nil }
    if senders[sent.sender]?.insert(entry) == nil {
      senders[sent.sender] = SenderTransactions(entry)
    }
    places[sent.hash] = (sent.sender, sent.transaction.nonce)
    arrivals += 1
  }

  /// Takes a transaction out.
  @discardableResult
  mutating func remove(_ hash: Hash32) -> RecoveredTransaction? {
    guard let place = places.removeValue(forKey: hash) else { return nil }
    let removed = senders[place.sender]?.remove(place.nonce)
    if removed?.othersAreLeft == false { senders[place.sender] = nil }
    return removed?.entry.sent
  }

  /// Takes out what can no longer be mined: its nonce was used, or its sender owns less than it costs
  /// (go-ethereum's `demoteUnexecutables` and `promoteExecutables`).
  mutating func dropUnminable(state: WorldState) {
    for sender in senders.keys {
      let (nonce, balance) = (state[sender].nonce, state[sender].balance)
      while let first = senders[sender]?.first, first < nonce, let stale = senders[sender]?[first] {
        remove(stale.sent.hash)
      }
      for entry in senders[sender]?.uncovered(by: balance) ?? [] { remove(entry.sent.hash) }
    }
  }

  /// The nonces of a sender's transactions without a gap from a nonce on.
  private func ready(of sender: Address, from nonce: UInt64) -> Range<UInt64> {
    senders[sender]?.nonces(from: nonce) ?? nonce..<nonce
  }

  /// What became ready when a transaction was taken in: itself, and what waited behind the gap that
  /// it filled; nothing while it is behind a gap itself.
  /// - Parameter isReplacement: whether it took the place of another one, which was no gap.
  func promoted(
    by sent: RecoveredTransaction, isReplacement: Bool, state: WorldState
  ) -> [RecoveredTransaction] {
    let (own, nonce) = (senders[sent.sender], sent.transaction.nonce)
    let ready = ready(of: sent.sender, from: state[sent.sender].nonce)
    guard let own, ready.contains(nonce), own[nonce]?.sent.hash == sent.hash else { return [] }
    return own.entries(nonce..<(isReplacement ? nonce + 1 : ready.upperBound)).map(\.sent)
  }

  /// Whether a sender has a transaction of a nonce here.
  func contains(_ nonce: UInt64, of sender: Address) -> Bool { senders[sender]?[nonce] != nil }

  /// The nonce of the next transaction of a sender, those that are ready counted in.
  func nextNonce(of sender: Address, state: WorldState) -> UInt64 {
    ready(of: sender, from: state[sender].nonce).upperBound
  }

  /// Every sender's run that could be mined now.
  func pending(state: WorldState) -> [Address: [Entry]] {
    var runs: [Address: [Entry]] = [:]
    for (sender, own) in senders {
      let run = own.entries(own.nonces(from: state[sender].nonce))
      if !run.isEmpty { runs[sender] = run }
    }
    return runs
  }

  /// Every sender's transactions behind a gap, in the order of their nonces.
  func queued(state: WorldState) -> [Address: [Entry]] {
    var queued: [Address: [Entry]] = [:]
    for (sender, own) in senders {
      let next = nextNonce(of: sender, state: state)
      let behind = own.all.filter { $0.sent.transaction.nonce >= next }
      if !behind.isEmpty {
        queued[sender] = behind.sorted { $0.sent.transaction.nonce < $1.sent.transaction.nonce }
      }
    }
    return queued
  }
}

/// The pool's validation rules, in go-ethereum's order.
package struct PoolRules: Hashable, Sendable {
  /// The least tip, in wei a unit of gas.
  package var minimumTip: Word = 1
  /// The most that gas may cost in all, in wei; nil for no limit.
  ///
  /// By default go-ethereum's (`RPCTxFeeCap`), 1 ether.
  package var feeCap: Word? = Ether.wei
  /// The longest transaction, in bytes.
  package var sizeLimit = 128 * 1024
  /// How many transactions may wait.
  package var capacity = 50_000
  /// By how many percent a replacement raises both fees.
  package var priceBump: UInt64 = 10

  /// Validates a transaction by itself, without the state (go-ethereum's `ValidateTransaction`).
  /// - Returns: the transaction with its sender.
  func validate(
    _ incoming: IncomingTransaction, chain: ChainRules
  ) throws(PoolError) -> RecoveredTransaction {
    let transaction = incoming.signed.transaction
    let size = incoming.signed.raw.count
    guard size <= sizeLimit else { throw .oversizedData(size: size, limit: sizeLimit) }
    if chain.hardfork >= .shanghai, transaction.to == nil,
      transaction.data.count > IntrinsicGas.maximumInitCodeSize
    {
      throw .initCodeTooLarge(size: transaction.data.count)
    }
    guard transaction.gasLimit <= chain.blockGasLimit else { throw .exceedsBlockGasLimit }
    let fee = transaction.fee
    guard fee.maxPriorityFeePerGas <= fee.maxFeePerGas else { throw .tipAboveFeeCap }
    guard let sender = incoming.sender, transaction.chainID == chain.chainID else {
      throw .invalidSender
    }
    guard transaction.nonce < .max else { throw .nonceAtMaximum }
    let minimum = IntrinsicGas.of(transaction, fork: chain.hardfork)
    guard transaction.gasLimit >= minimum else {
      throw .intrinsicGasTooLow(gas: transaction.gasLimit, minimum: minimum)
    }
    guard fee.maxPriorityFeePerGas >= minimumTip else {
      throw .underpriced(tip: fee.maxPriorityFeePerGas, minimum: minimumTip)
    }
    return RecoveredTransaction(signed: incoming.signed, sender: sender)
  }

  /// The checks of the JSON-RPC method, before the pool sees the transaction.
  func checkStateless(_ transaction: Transaction) throws(PoolError) {
    try checkFee(of: transaction)
    guard transaction.chainID != nil else { throw .unprotected }
  }

  /// Refuses a transaction whose gas may cost more than the cap (go-ethereum's `checkTxFee`).
  func checkFee(of transaction: Transaction) throws(PoolError) {
    try checkFee(price: transaction.fee.maxFeePerGas, gas: transaction.gasLimit)
  }

  /// Refuses gas that costs more than the cap at a price in wei.
  func checkFee(price: Word, gas: UInt64) throws(PoolError) {
    guard let feeCap else { return }
    let (wei, overflow) = price.multipliedReportingOverflow(by: Word(gas))
    // Compared in ether, as go-ethereum does: a few wei more than the cap are not above it.
    let fee = overflow ? Double(gas) * Ether.amount(price) : Ether.amount(wei)
    let cap = Ether.amount(feeCap)
    guard fee <= cap else { throw .feeAboveCap(fee: fee, cap: cap) }
  }

  /// Whether fees are high enough to take the place of others.
  func canReplace(_ old: Transaction.Fee, by new: Transaction.Fee) -> Bool {
    func isEnough(_ old: Word, _ new: Word) -> Bool {
      let (raised, overflow) = old.multipliedReportingOverflow(by: Word(100 + priceBump))
      return !overflow && new > old && new >= raised / 100
    }
    return isEnough(old.maxFeePerGas, new.maxFeePerGas)
      && isEnough(old.maxPriorityFeePerGas, new.maxPriorityFeePerGas)
  }
}

/// A transaction that was received: decoded, its sender recovered, not yet validated.
///
/// Recovering the sender costs more than all the rest; it needs no state, and so no lock.
package struct IncomingTransaction: Sendable {
  package let signed: SignedTransaction
  /// Nil when no key can have made the signature.
  package let sender: Address?

  package init(raw: [UInt8]) throws(PoolError) {
    do {
      signed = try SignedTransaction(raw: raw)
    } catch {
      throw .undecodable(error)
    }
    // What stands for the signature of an impersonated account is nobody's.
    guard signed.signature.impersonatedAccount == nil else {
      sender = nil
      return
    }
    do {
      sender = try signed.sender()
    } catch {
      // The pool says "invalid sender" when its turn comes in the order of checks.
      sender = nil
    }
  }

  /// A transaction of a sender that is known.
  init(signed: SignedTransaction, sender: Address) {
    self.signed = signed
    self.sender = sender
  }
}

/// The pool's reason to refuse a transaction, with the messages of go-ethereum 1.13.15.
package enum PoolError: Error, Hashable, Sendable, CustomStringConvertible {
  case undecodable(TransactionError)
  case unprotected
  case alreadyKnown
  /// Both in ether.
  case feeAboveCap(fee: Double, cap: Double)
  case oversizedData(size: Int, limit: Int)
  /// More init code than Shanghai's rules allow (EIP-3860).
  case initCodeTooLarge(size: Int)
  case exceedsBlockGasLimit
  case tipAboveFeeCap
  case invalidSender
  case intrinsicGasTooLow(gas: UInt64, minimum: UInt64)
  case underpriced(tip: Word, minimum: Word)
  /// No nonce would follow it (EIP-2681).
  case nonceAtMaximum
  case nonceTooLow(next: UInt64, nonce: UInt64)
  case insufficientFunds(balance: Word, cost: Word)
  case insufficientFundsForQueue(balance: Word, queued: Word, cost: Word)
  /// A replacement that the balance does not cover together with the waiting transactions.
  case insufficientFundsForBump(balance: Word, queued: Word, bump: Word, overshot: Word)
  case replacementUnderpriced
  case poolFull

  package var description: String {
    switch self {
    // A signature out of range surfaces only when the sender is recovered.
    case .undecodable(.signature), .undecodable(.invalidV), .invalidSender: "invalid sender"
    // A transaction with blobs that can be decoded.
    case .undecodable(.unsupportedType(3)):
      "transaction type not supported: type 3 rejected, pool not yet in Cancun"
    case .undecodable(let error): "\(error)"
    case .unprotected: "only replay-protected (EIP-155) transactions allowed over RPC"
    case .alreadyKnown: "already known"
    case .nonceAtMaximum: "nonce has max value"
    case .feeAboveCap(let fee, let cap):
      String(
        format: "tx fee (%.2f ether) exceeds the configured cap (%.2f ether)", fee, cap)
    case .oversizedData(let size, let limit):
      "oversized data: transaction size \(size), limit \(limit)"
    case .initCodeTooLarge(let size):
      "max initcode size exceeded: code size \(size), limit \(IntrinsicGas.maximumInitCodeSize)"
    case .exceedsBlockGasLimit: "exceeds block gas limit"
    case .tipAboveFeeCap: "max priority fee per gas higher than max fee per gas"
    case .intrinsicGasTooLow(let gas, let minimum):
      "intrinsic gas too low: gas \(gas), minimum needed \(minimum)"
    case .underpriced(let tip, let minimum):
      "transaction underpriced: gas tip cap \(tip), minimum needed \(minimum)"
    case .nonceTooLow(let next, let nonce):
      "nonce too low: next nonce \(next), tx nonce \(nonce)"
    case .insufficientFunds(let balance, let cost):
      "insufficient funds for gas * price + value: balance \(balance), tx cost \(cost), "
        + "overshot \(cost - balance)"
    case .insufficientFundsForQueue(let balance, let queued, let cost):
      "insufficient funds for gas * price + value: balance \(balance), queued cost \(queued), "
        + "tx cost \(cost), overshot \(queued.adding(cost, upTo: .max) - balance)"
    case .insufficientFundsForBump(let balance, let queued, let bump, let overshot):
      "insufficient funds for gas * price + value: balance \(balance), queued cost \(queued), "
        + "tx bumped \(bump), overshot \(overshot)"
    case .replacementUnderpriced: "replacement transaction underpriced"
    case .poolFull: "txpool is full"
    }
  }

  /// The message on a chain with the rules of a hard fork.
  ///
  /// go-ethereum takes blobs from Cancun on; no chain of Plumise has them.
  func message(on fork: Hardfork) -> String {
    guard case .undecodable(.unsupportedType(3)) = self, fork >= .cancun else { return description }
    return "transaction type not supported: type 3 rejected, this chain has no blobs"
  }
}

/// Amounts in ether, as go-ethereum's `checkTxFee` has them.
private enum Ether {
  static let wei: Word = 1_000_000_000_000_000_000

  /// Wei as the nearest number of ether.
  static func amount(_ amount: Word) -> Double {
    let (ether, rest) = amount.quotientAndRemainder(dividingBy: wei)
    // Beyond 64 bits the fraction is below what a double can tell apart.
    guard let whole = ether.exactUInt64() else {
      return Double(ether.high) * 0x1p128 + Double(ether.low)
    }
    let (fraction, remainder) = (rest << 64).quotientAndRemainder(dividingBy: wei)
    // The lowest bit stands for all that is behind it, so that the number is rounded once.
    let sticky: UInt128 = remainder.isZero ? 0 : 1
    return Double(UInt128(whole) << 64 | fraction.low | sticky) * 0x1p-64
  }
}
