import EthereumPrimitives

/// Whether a transaction may be part of a block (yellow paper, §6.2).
struct TransactionRules {
  let fork: Hardfork
  let block: BlockContext
  /// What the block has left.
  let gasLeft: UInt64

  /// - Returns: what a unit of gas costs, in wei.
  func check(
    _ transaction: Transaction, _ sender: AccountState
  ) throws(TransactionFault) -> Word {
    let nonce = transaction.nonce
    if nonce < sender.nonce { throw .nonceTooLow(next: sender.nonce, actual: nonce) }
    if nonce > sender.nonce { throw .nonceTooHigh(next: sender.nonce, actual: nonce) }
    guard nonce < .max else { throw .nonceExhausted }
    guard sender.codeHash == AccountState.emptyCodeHash else { throw .senderHasCode }
    let fee = transaction.fee
    guard fee.maxPriorityFeePerGas <= fee.maxFeePerGas else { throw .tipAboveFeeCap }
    guard let price = fee.effectiveGasPrice(baseFee: block.baseFee) else {
      throw .feeCapBelowBaseFee
    }
    guard transaction.gasLimit <= gasLeft else {
      throw .blockGasExceeded(limit: transaction.gasLimit, left: gasLeft)
    }
    let (cost, first) = Word(transaction.gasLimit).multipliedReportingOverflow(
      by: fee.maxFeePerGas)
    let (total, second) = cost.addingReportingOverflow(transaction.value)
    guard !first, !second, total <= sender.balance else { throw .insufficientFunds }
    let intrinsic = IntrinsicGas.of(transaction, fork: fork)
    guard transaction.gasLimit >= intrinsic else {
      throw .intrinsicGas(have: transaction.gasLimit, want: intrinsic)
    }
    if fork >= .shanghai, transaction.to == nil, transaction.data.count > Gas.maxInitCodeSize {
      throw .initCodeTooLarge(transaction.data.count)
    }
    return price
  }
}
