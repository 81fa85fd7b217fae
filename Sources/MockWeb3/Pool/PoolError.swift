package import EthereumPrimitives

/// Why the pool refuses a transaction, in the words of go-ethereum 1.13.15.
package enum PoolError: Error, Hashable, Sendable, CustomStringConvertible {
  case undecodable(TransactionError)
  case unprotected
  case alreadyKnown
  case feeAboveCap(fee: Word, cap: Word)
  case oversizedData(size: Int, limit: Int)
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
  /// A replacement that the balance does not cover together with what waits.
  case insufficientFundsForBump(balance: Word, queued: Word, bump: Word, overshot: Word)
  case replacementUnderpriced
  case contractCreation
  case poolFull

  package var description: String {
    switch self {
    // A signature out of range surfaces only when the sender is recovered.
    case .undecodable(.signature), .undecodable(.invalidV), .invalidSender: "invalid sender"
    case .undecodable(let error): "\(error)"
    case .unprotected: "only replay-protected (EIP-155) transactions allowed over RPC"
    case .alreadyKnown: "already known"
    case .nonceAtMaximum: "nonce has max value"
    case .feeAboveCap(let fee, let cap):
      "tx fee (\(Self.ether(fee)) ether) exceeds the configured cap (\(Self.ether(cap)) ether)"
    case .oversizedData(let size, let limit):
      "oversized data: transaction size \(size), limit \(limit)"
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
    case .contractCreation:
      "contract creation is not supported: this chain runs its native programs only"
    }
  }

  /// Wei as ether with two decimals, rounded down.
  private static func ether(_ wei: Word) -> String {
    let hundredths = wei / 10_000_000_000_000_000
    let rest = "\(hundredths % 100)"
    return "\(hundredths / 100)." + (rest.count < 2 ? "0" + rest : rest)
  }
}
