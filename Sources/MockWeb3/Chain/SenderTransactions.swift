import EthereumPrimitives

/// The transactions of one sender that wait, by their nonces.
///
/// How many follow one another from the lowest nonce on, and what they cost at most, is kept up to date, so
/// that one more transaction takes as long however many wait.
struct SenderTransactions {
  typealias Entry = TransactionPool.Entry

  private var entries: [UInt64: Entry]
  /// The nonces from the lowest one on that have no gap; not empty.
  private var run: Range<UInt64>
  /// What the run's transactions cost at most, in wei; nil above 2²⁵⁶ − 1.
  private var runCost: Word?
  /// No transaction costs more, in wei.
  private var costCap: Word

  /// The first transaction of a sender.
  init(_ entry: Entry) {
    let nonce = entry.sent.transaction.nonce
    entries = [nonce: entry]
    run = nonce..<(nonce + 1)
    runCost = entry.cost
    costCap = entry.cost
  }

  var all: some Collection<Entry> { entries.values }
  /// The lowest nonce.
  var first: UInt64 { run.lowerBound }

  subscript(nonce: UInt64) -> Entry? { entries[nonce] }

  /// Takes a transaction in, in place of one with the same nonce.
  mutating func insert(_ entry: Entry) {
    let nonce = entry.sent.transaction.nonce
    let old = entries.updateValue(entry, forKey: nonce)
    costCap = max(costCap, entry.cost)
    if let old {
      guard run.contains(nonce) else { return }
      runCost = runCost.flatMap { ($0 - old.cost).adding(entry.cost) }
    } else if nonce < run.lowerBound {
      let isNext = nonce + 1 == run.lowerBound
      runCost = isNext ? runCost.flatMap { $0.adding(entry.cost) } : entry.cost
      run = nonce..<(isNext ? run.upperBound : nonce + 1)
    } else if nonce == run.upperBound {
      extendRun()
    }
  }

  /// Takes a transaction out.
  /// - Returns: the transaction, and whether others are left.
  mutating func remove(_ nonce: UInt64) -> (entry: Entry, othersAreLeft: Bool)? {
    guard let removed = entries.removeValue(forKey: nonce) else { return nil }
    if nonce == run.lowerBound {
      if run.count > 1 {
        run = (nonce + 1)..<run.upperBound
        runCost = runCost.map { $0 - removed.cost } ?? cost(of: run)
      } else if let lowest = entries.keys.min() {
        run = lowest..<lowest
        runCost = .zero
        extendRun()
      }
    } else if run.contains(nonce) {
      run = run.lowerBound..<nonce
      runCost = cost(of: run)
    }
    return (removed, !entries.isEmpty)
  }

  /// The transactions that cost more than a balance, each by itself.
  mutating func uncovered(by balance: Word) -> [Entry] {
    guard costCap > balance else { return [] }
    costCap = balance
    return entries.values.filter { $0.cost > balance }
  }

  /// The transactions without a gap from a nonce on.
  func nonces(from nonce: UInt64) -> Range<UInt64> {
    if nonce < run.lowerBound || run.contains(nonce) {
      return nonce..<(nonce < run.lowerBound ? nonce : run.upperBound)
    }
    var end = nonce
    while entries[end] != nil { end += 1 }
    return nonce..<end
  }

  /// The transactions with these nonces, which are there.
  func entries(_ nonces: Range<UInt64>) -> [Entry] { nonces.compactMap { entries[$0] } }

  /// What the transactions without a gap from a nonce on cost at most, in wei; 2²⁵⁶ − 1 where it is more.
  func cost(from nonce: UInt64) -> Word {
    let nonces = nonces(from: nonce)
    return (nonces == run ? runCost : cost(of: nonces)) ?? .max
  }

  private mutating func extendRun() {
    var end = run.upperBound
    while let entry = entries[end] {
      runCost = runCost.flatMap { $0.adding(entry.cost) }
      end += 1
    }
    run = run.lowerBound..<end
  }

  private func cost(of nonces: Range<UInt64>) -> Word? {
    var sum = Word.zero
    for entry in entries(nonces) {
      guard let larger = sum.adding(entry.cost) else { return nil }
      sum = larger
    }
    return sum
  }
}

extension TransactionPool.Entry {
  /// What it costs at most, in wei.
  fileprivate var cost: Word { sent.transaction.maximumCost }
}

extension Word {
  /// The sum; nil above 2²⁵⁶ − 1.
  fileprivate func adding(_ other: Word) -> Word? {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? nil : sum
  }
}
