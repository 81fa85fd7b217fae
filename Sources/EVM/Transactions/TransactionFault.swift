/// Why a transaction cannot be part of a block, now or ever.
public enum TransactionFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The sender has used the nonce.
  case nonceTooLow(next: UInt64, actual: UInt64)
  /// Transactions of the sender are missing before this one.
  case nonceTooHigh(next: UInt64, actual: UInt64)
  /// No transaction may follow one with the nonce 2⁶⁴ − 1 (EIP-2681).
  case nonceExhausted
  /// The sender has code (EIP-3607).
  case senderHasCode
  /// The miner would get more than the sender pays (EIP-1559).
  case tipAboveFeeCap
  /// The sender will not pay the block's base fee.
  case feeCapBelowBaseFee
  /// The block has less gas left than the transaction may use.
  case blockGasExceeded(limit: UInt64, left: UInt64)
  /// The balance does not cover the highest cost.
  case insufficientFunds
  /// The gas limit does not cover what is charged before any code runs.
  case intrinsicGas(have: UInt64, want: UInt64)
  /// Init code beyond 49 152 bytes (EIP-3860).
  case initCodeTooLarge(Int)

  /// What is wrong, in the words of go-ethereum.
  public var description: String {
    switch self {
    case .nonceTooLow(let next, let actual): "nonce too low: next nonce \(next), tx nonce \(actual)"
    case .nonceTooHigh(let next, let actual):
      "nonce too high: next nonce \(next), tx nonce \(actual)"
    case .nonceExhausted: "nonce has max value"
    case .senderHasCode: "sender not an eoa"
    case .tipAboveFeeCap: "max priority fee per gas higher than max fee per gas"
    case .feeCapBelowBaseFee: "max fee per gas less than block base fee"
    case .blockGasExceeded(let limit, let left): "gas limit reached: \(limit) of \(left) left"
    case .insufficientFunds: "insufficient funds for gas * price + value"
    case .intrinsicGas(let have, let want): "intrinsic gas too low: have \(have), want \(want)"
    case .initCodeTooLarge(let count): "max initcode size exceeded: code size \(count) limit 49152"
    }
  }
}
