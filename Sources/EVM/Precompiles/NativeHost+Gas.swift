public import EthereumPrimitives

/// What a native contract that stands for bytecode would pay: the contract adds it up, and says so at
/// the call's end.
///
/// Accounts and slots become warm as those do that bytecode accesses (EIP-2929), also for the
/// bytecode that runs later in the transaction.
extension NativeHost {
  /// The gas of reading a slot, whose value is kept elsewhere: 2100, or 100 when it is warm.
  public func gasOfRead(at address: Address, slot: Word) -> UInt64 {
    journal.warmSlot(of: journal.index(of: address), slot) ? Gas.warmAccess : Gas.coldSlot
  }

  /// The gas of writing a slot, whose value is kept elsewhere.
  /// - Parameters:
  ///   - address: the account.
  ///   - slot: the slot's number.
  ///   - original: the value before the transaction.
  ///   - current: the value before the write.
  ///   - value: the value after the write.
  public func gasOfWrite(
    at address: Address, slot: Word, original: Word, current: Word, value: Word
  ) -> (gas: UInt64, refund: Int64) {
    let isWarm = journal.warmSlot(of: journal.index(of: address), slot)
    let price = SlotWritePrice(original: original, current: current, value: value)
    return (price.gas + (isWarm ? 0 : Gas.coldSlot), price.refund)
  }

  /// The gas of a call's access to an account: 2600, or 100 when it is warm.
  public func gasOfAccess(to address: Address) -> UInt64 {
    journal.warm(journal.index(of: address)) ? Gas.warmAccess : Gas.coldAccount
  }

  /// What a call with value costs more, when its recipient leaves the stipend.
  public static var gasOfValue: UInt64 { Gas.callValue - Gas.callStipend }

  /// The gas of an event (yellow paper, appendix G).
  /// - Parameters:
  ///   - topicCount: how many topics it has.
  ///   - byteCount: how many bytes of data.
  public static func gasOfLog(topicCount: Int, byteCount: Int) -> UInt64 {
    Gas.log + Gas.logTopic * UInt64(topicCount) + Gas.logByte * UInt64(byteCount)
  }
}
