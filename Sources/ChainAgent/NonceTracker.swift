/// Which nonce comes next: the chain is asked once, then counted.
///
/// A nonce is used up only when the chain has taken the transaction, so that a refusal leaves no
/// gap. When it is not known whether the chain took one, the chain is asked again.
struct NonceTracker {
  private var next: UInt64?

  /// The nonce to use, if the chain need not be asked.
  var known: UInt64? { next }

  /// Notes what the chain said.
  mutating func synchronise(with count: UInt64) { next = count }

  /// Notes that the chain took a transaction.
  mutating func wasUsed(_ nonce: UInt64) { next = nonce + 1 }

  /// Notes that the chain has to be asked.
  mutating func forget() { next = nil }
}
