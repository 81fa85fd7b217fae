/// Which nonce comes next: the chain is asked once, then counted.
///
/// A nonce is used up only when the chain has taken the transaction, so that a refusal leaves no
/// gap. When it is not known whether the chain took one, the chain is asked again.
package struct NonceTracker {
  private var next: UInt64?
  /// Counts how often the count was given up: what was begun before counts on from nothing.
  package private(set) var generation = 0

  package init() {}

  /// The nonce to use, if the chain need not be asked.
  package var known: UInt64? { next }

  /// Notes what the chain said.
  package mutating func synchronise(with count: UInt64) { next = count }

  /// Notes that the chain took a transaction.
  /// - Parameter begun: the generation in which its sending began; a count that was given up
  ///   since stays given up.
  package mutating func wasUsed(_ nonce: UInt64, begun: Int) {
    if begun == generation { next = nonce + 1 }
  }

  /// Notes that the chain has to be asked.
  package mutating func forget() {
    next = nil
    generation += 1
  }
}
