public import EthereumPrimitives

/// What a write of a slot costs, with net gas metering (EIP-2200, EIP-2929, EIP-3529).
///
/// A slot that is cold costs 2100 more.
public struct SlotWritePrice: Hashable, Sendable {
  /// The gas of the write.
  public let gas: UInt64
  /// What comes back at the transaction's end; below 0 where an earlier write's refund is taken away.
  public let refund: Int64

  /// - Parameters:
  ///   - original: the slot's value before the transaction.
  ///   - current: its value before the write.
  ///   - value: its value after the write.
  public init(original: Word, current: Word, value: Word) {
    if Word.equal(current, value) {
      (gas, refund) = (Gas.warmAccess, 0)
      return
    }
    if Word.equal(original, current) {
      gas = original.isSet ? Gas.slotReset : Gas.slotSet
      refund = original.isSet && !value.isSet ? Gas.slotClearRefund : 0
      return
    }
    gas = Gas.warmAccess
    var change: Int64 = 0
    if original.isSet {
      if !current.isSet {
        change = -Gas.slotClearRefund
      } else if !value.isSet {
        change = Gas.slotClearRefund
      }
    }
    if Word.equal(original, value) {
      let paid = original.isSet ? Gas.slotReset : Gas.slotSet
      change += Int64(paid - Gas.warmAccess)
    }
    refund = change
  }
}
