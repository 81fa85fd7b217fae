package import EthereumPrimitives

/// Why a transaction cannot be part of a block, now or ever.
enum InclusionError: Error {
  case nonceTooLow, nonceTooHigh, feeCapBelowBaseFee, gasLimitReached, insufficientFunds
}

/// Runs the transactions of one block in turn (yellow paper, §6.2).
struct TransactionExecutor {
  private(set) var state: WorldState
  private(set) var receipts: [TransactionReceipt] = []
  private(set) var gasUsed: UInt64 = 0
  private var logCount = 0
  let block: BlockEnvironment
  let rules: ChainRules

  init(state: WorldState, block: BlockEnvironment, rules: ChainRules) {
    self.state = state
    self.block = block
    self.rules = rules
  }

  /// Runs a transaction, charges its sender and writes its receipt.
  /// - Parameter forcedRevert: a revert that is put in the place of the call, by a fault.
  /// - Throws: ``InclusionError``, and nothing changes, when it cannot be part of the block.
  mutating func apply(
    _ sent: SentTransaction, forcedRevert: Revert? = nil
  ) throws(InclusionError) {
    let transaction = sent.transaction
    let account = state[sent.sender]
    if transaction.nonce < account.nonce { throw .nonceTooLow }
    // No nonce would follow the last one (EIP-2681).
    if transaction.nonce > account.nonce || account.nonce == .max { throw .nonceTooHigh }
    guard let price = transaction.fee.effectiveGasPrice(baseFee: block.baseFee) else {
      throw .feeCapBelowBaseFee
    }
    guard transaction.gasLimit <= block.gasLimit - gasUsed else { throw .gasLimitReached }
    guard transaction.isCovered(by: account.balance) else { throw .insufficientFunds }

    var payer = account
    payer.nonce += 1
    // The balance covers the maximum cost, of which this is a part.
    payer.balance -= Word(transaction.gasLimit) * price
    state[sent.sender] = payer
    let intrinsic = IntrinsicGas.of(transaction)
    var execution = Execution(state: state, block: block, rules: rules)
    let (outcome, used) = Self.run(
      sent, in: &execution, gas: transaction.gasLimit - min(intrinsic, transaction.gasLimit),
      forcedRevert: forcedRevert)
    let total = min(transaction.gasLimit, intrinsic + used)
    state = execution.state
    state.credit(Word(transaction.gasLimit - total) * price, to: sent.sender)
    state.credit(Word(total) * (price - block.baseFee), to: rules.coinbase)
    gasUsed += total
    record(sent, outcome: outcome, gasUsed: total, price: price, logs: execution.logs)
  }

  private static func run(
    _ sent: SentTransaction, in execution: inout Execution, gas: UInt64, forcedRevert: Revert?
  ) -> (CallOutcome, gasUsed: UInt64) {
    guard let recipient = sent.transaction.to else { return (.outOfGas, gas) }
    if let forcedRevert { return (.reverted(forcedRevert), 0) }
    let message = Message(
      caller: sent.sender, recipient: recipient, value: sent.transaction.value,
      input: sent.transaction.data)
    let outcome = execution.call(message, gas: gas)
    if case .outOfGas = outcome { return (outcome, gas) }
    let program = NativeProgram(at: recipient, rules: execution.rules)
    return (outcome, program.map(execution.rules.gasCost) ?? 0)
  }

  private mutating func record(
    _ sent: SentTransaction, outcome: CallOutcome, gasUsed used: UInt64, price: Word,
    logs: [LogEntry]
  ) {
    let (succeeded, output): (Bool, [UInt8]) =
      switch outcome {
      case .returned(let output): (true, output)
      case .reverted(let revert): (false, revert.output)
      case .outOfGas: (false, [])
      }
    receipts.append(
      TransactionReceipt(
        transactionHash: sent.hash, transactionIndex: receipts.count, sender: sent.sender,
        recipient: sent.transaction.to, succeeded: succeeded, gasUsed: used,
        cumulativeGasUsed: gasUsed, effectiveGasPrice: price, logs: logs,
        firstLogIndex: logCount, output: output, type: sent.transaction.fee.transactionType,
        bloom: logs.isEmpty ? LogsBloom() : LogsBloom(logs)))
    logCount += logs.count
  }
}

extension Transaction {
  /// What the sender must own: the gas limit at the highest price, and the value.
  ///
  /// A cost beyond 256 bits is the largest word, which nobody owns.
  package var maximumCost: Word {
    let (gas, first) = Word(gasLimit).multipliedReportingOverflow(by: fee.maxFeePerGas)
    let (sum, second) = gas.addingReportingOverflow(value)
    return first || second ? .max : sum
  }

  /// Whether a balance covers the highest cost.
  func isCovered(by balance: Word) -> Bool {
    maximumCost < .max && balance >= maximumCost
  }
}
