/// Which nonce comes next: counted here, and compared with what the chain counts.
///
/// A nonce is used up only when the chain has taken the transaction, so that a refusal leaves no
/// gap. When it is not known whether the chain took one, the chain alone decides. A chain that counts
/// less than it once had in blocks was reset or has gone back, and decides as well: to count on would
/// leave a gap that no transaction gets past.
package struct NonceTracker {
  private var next: UInt64?
  /// How many transactions of the account were seen in blocks.
  package private(set) var settled: UInt64 = 0
  /// Counts how often the count was given up: what was begun before counts on from nothing.
  package private(set) var generation = 0

  package init() {}

  /// The nonce that was counted to, if any.
  package var known: UInt64? { next }

  /// The nonce to use.
  /// - Parameters:
  ///   - count: What the chain counts, with what waits there.
  ///   - settled: ``settled`` before the chain was asked: a block may have come since.
  package mutating func choose(chainCount count: UInt64, settledBefore settled: UInt64) -> UInt64 {
    if count < settled {
      next = nil
      self.settled = count
    }
    // A chain behind several doors may not count the latest ones yet.
    return max(next ?? count, count)
  }

  /// Notes what the chain said, or what was chosen from it.
  package mutating func synchronise(with count: UInt64) { next = count }

  /// Notes that the chain took a transaction.
  /// - Parameter begun: the generation in which its sending began; a count that was given up
  ///   since stays given up.
  package mutating func wasUsed(_ nonce: UInt64, begun: Int) {
    if begun == generation { next = nonce.successor }
  }

  /// Notes that a transaction is in a block.
  package mutating func wasMined(_ nonce: UInt64) {
    settled = max(settled, nonce.successor ?? settled)
  }

  /// Notes that the chain has to decide.
  package mutating func forget() {
    next = nil
    generation += 1
  }
}

extension UInt64 {
  /// The next nonce; nil behind the last, which no chain takes (EIP-2681).
  fileprivate var successor: UInt64? { self == .max ? nil : self + 1 }
}
