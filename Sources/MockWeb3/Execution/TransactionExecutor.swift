import EVM
package import EthereumPrimitives
import PlumiseWire

/// Why a transaction cannot be part of a block, now or ever.
enum InclusionError: Error {
  case nonceTooLow, nonceTooHigh, feeCapBelowBaseFee, gasLimitReached, insufficientFunds
  /// It breaks a rule that no later block changes.
  case invalid
}

/// Runs the transactions of one block in turn (yellow paper, §6.2).
struct TransactionExecutor {
  /// The state after the transactions that ran.
  var state: WorldState
  private(set) var receipts: [TransactionReceipt] = []
  private(set) var gasUsed: UInt64 = 0
  private var logCount = 0
  let block: BlockContext
  let machine: ChainMachine
  /// The blocks before.
  let history: BlockHistory

  init(
    state: WorldState, block: BlockContext, machine: ChainMachine, history: BlockHistory
  ) {
    self.state = state
    self.block = block
    self.machine = machine
    self.history = history
  }

  /// Runs a transaction, charges its sender and writes its receipt.
  /// - Parameter forcedRevert: a revert that is put in the place of the call, by a fault.
  /// - Throws: ``InclusionError``, and nothing changes, when it cannot be part of the block.
  mutating func apply(
    _ sent: RecoveredTransaction, forcedRevert: Revert? = nil
  ) throws(InclusionError) {
    if forcedRevert == nil, !machine.isPlainTransfer(sent, on: state) {
      return try run(sent)
    }
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
    let used = IntrinsicGas.of(transaction, fork: machine.rules.hardfork)
    guard used <= transaction.gasLimit, sent.isImpersonated || !account.hasCode else {
      throw .invalid
    }

    var payer = account
    payer.nonce += 1
    // The balance covers the maximum cost, of which this is a part.
    payer.balance -= Word(used) * price
    if let recipient = transaction.to, forcedRevert == nil {
      payer.balance -= transaction.value
      state[sent.sender] = payer
      state.credit(transaction.value, to: recipient)
    } else {
      state[sent.sender] = payer
    }
    state.credit(Word(used) * (price - block.baseFee), to: block.coinbase)
    gasUsed += used
    record(
      sent, succeeded: forcedRevert == nil, output: forcedRevert?.output ?? [], gasUsed: used,
      price: price, logs: [])
  }

  /// Runs a transaction that calls or creates a contract.
  private mutating func run(_ sent: RecoveredTransaction) throws(InclusionError) {
    let journal = RecordJournal(state.records)
    let outcome: TransactionOutcome
    do throws(InvalidTransactionError) {
      outcome = try machine.virtualMachine.execute(
        sent.transaction, from: sent.sender, on: WorldStateReader(state: state, history: history),
        in: block, gasLeft: block.gasLimit - gasUsed, mayHaveCode: sent.isImpersonated,
        native: journal)
    } catch {
      throw InclusionError(error)
    }
    state.apply(outcome.effects)
    state.records = journal.records
    gasUsed += outcome.gasUsed
    let succeeded = outcome.completion == .returned
    record(
      sent, succeeded: succeeded,
      output: sent.transaction.to == nil && succeeded ? [] : outcome.output,
      gasUsed: outcome.gasUsed, price: outcome.gasPrice, logs: succeeded ? outcome.logs : [])
  }

  private mutating func record(
    _ sent: RecoveredTransaction, succeeded: Bool, output: [UInt8], gasUsed used: UInt64,
    price: Word, logs: [Log]
  ) {
    let logs = logs.map { LogEntry(address: $0.address, topics: $0.topics, data: $0.data) }
    receipts.append(
      TransactionReceipt(
        transactionHash: sent.hash, transactionIndex: receipts.count, sender: sent.sender,
        recipient: sent.transaction.to, contractAddress: sent.createdAddress, succeeded: succeeded,
        gasUsed: used, cumulativeGasUsed: gasUsed, effectiveGasPrice: price, logs: logs,
        firstLogIndex: logCount, output: output, type: sent.transaction.fee.transactionType,
        bloom: logs.isEmpty ? LogsBloom() : LogsBloom(logs)))
    logCount += logs.count
  }
}

extension InclusionError {
  init(_ error: InvalidTransactionError) {
    switch error {
    case .nonceTooLow: self = .nonceTooLow
    case .nonceTooHigh, .nonceExhausted: self = .nonceTooHigh
    case .feeCapBelowBaseFee: self = .feeCapBelowBaseFee
    case .blockGasExceeded: self = .gasLimitReached
    case .insufficientFunds: self = .insufficientFunds
    case .senderHasCode, .tipAboveFeeCap, .intrinsicGas, .initCodeTooLarge: self = .invalid
    }
  }
}

extension Transaction {
  /// The balance that the sender needs: the gas limit at the highest price, and the value.
  ///
  /// A cost beyond 256 bits is the largest word, which exceeds every balance.
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

extension RecoveredTransaction {
  /// The address of the contract that the transaction creates, also when the creation fails; nil for
  /// a call.
  var createdAddress: Address? {
    transaction.to == nil ? .ofContract(createdBy: sender, nonce: transaction.nonce) : nil
  }
}
