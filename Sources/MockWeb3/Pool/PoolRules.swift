package import EthereumPrimitives

/// What the pool asks of a transaction, in the order in which go-ethereum asks it.
package struct PoolRules: Hashable, Sendable {
  /// The least tip, in wei a unit of gas.
  package var minimumTip: Word = 1
  /// The most that gas may cost in all, in wei; nil for no limit.
  package var feeCap: Word?
  /// The longest transaction, in bytes.
  package var sizeLimit = 128 * 1024
  /// How many transactions may wait.
  package var capacity = 50_000
  /// By how many percent a replacement raises both fees.
  package var priceBump: UInt64 = 10

  /// Checks what can be checked without the state.
  /// - Returns: the transaction with its sender.
  func checkAlone(
    _ incoming: IncomingTransaction, chain: ChainRules
  ) throws(PoolError) -> SentTransaction {
    let transaction = incoming.signed.transaction
    let size = incoming.signed.raw.count
    guard size <= sizeLimit else { throw .oversizedData(size: size, limit: sizeLimit) }
    guard transaction.gasLimit <= chain.blockGasLimit else { throw .exceedsBlockGasLimit }
    let fee = transaction.fee
    guard fee.maxPriorityFeePerGas <= fee.maxFeePerGas else { throw .tipAboveFeeCap }
    guard let sender = incoming.sender, transaction.chainID == chain.chainID else {
      throw .invalidSender
    }
    guard transaction.nonce < .max else { throw .nonceAtMaximum }
    let minimum = IntrinsicGas.of(transaction)
    guard transaction.gasLimit >= minimum else {
      throw .intrinsicGasTooLow(gas: transaction.gasLimit, minimum: minimum)
    }
    guard fee.maxPriorityFeePerGas >= minimumTip else {
      throw .underpriced(tip: fee.maxPriorityFeePerGas, minimum: minimumTip)
    }
    guard transaction.to != nil else { throw .contractCreation }
    return SentTransaction(signed: incoming.signed, sender: sender)
  }

  /// What JSON-RPC checks before the pool sees the transaction.
  func checkAtTheDoor(_ transaction: Transaction) throws(PoolError) {
    if let feeCap {
      let (fee, overflow) = Word(transaction.gasLimit)
        .multipliedReportingOverflow(by: transaction.fee.maxFeePerGas)
      if overflow || fee > feeCap { throw .feeAboveCap(fee: overflow ? .max : fee, cap: feeCap) }
    }
    guard transaction.chainID != nil else { throw .unprotected }
  }

  /// Whether fees are high enough to take the place of others.
  func canReplace(_ old: Transaction.Fee, by new: Transaction.Fee) -> Bool {
    func isEnough(_ old: Word, _ new: Word) -> Bool {
      let (raised, overflow) = old.multipliedReportingOverflow(by: Word(100 + priceBump))
      return !overflow && new > old && new >= raised / 100
    }
    return isEnough(old.maxFeePerGas, new.maxFeePerGas)
      && isEnough(old.maxPriorityFeePerGas, new.maxPriorityFeePerGas)
  }
}
