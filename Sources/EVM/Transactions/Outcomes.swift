public import EthereumPrimitives

/// What a transaction came to.
public struct TransactionOutcome: Sendable {
  /// Whether its code returned; when it did not, only the fee was paid.
  public let completion: Completion
  /// What the sender paid for, the refund taken off.
  public let gasUsed: UInt64
  /// What cleared storage gave back (EIP-3529).
  public let gasRefunded: UInt64
  /// What a unit of gas cost, in wei.
  public let gasPrice: Word
  /// What the code returned or reverted with; the new contract's code after a creation.
  public let output: [UInt8]
  /// The events, in order.
  public let logs: [Log]
  /// The contract that was created.
  public let created: Address?
  /// What changed, the fee included.
  public let effects: StateEffects
}

/// What a call came to.
public struct CallOutcome: Sendable {
  /// Whether the code returned.
  public let completion: Completion
  /// What was used, no refund taken off.
  public let gasUsed: UInt64
  /// What a transaction could get back, a fifth of its gas at most.
  public let refund: UInt64
  /// What the code returned or reverted with.
  public let output: [UInt8]
  /// The events, in order.
  public let logs: [Log]
  /// The contract that was created.
  public let created: Address?
  /// What changed.
  public let effects: StateEffects
}
