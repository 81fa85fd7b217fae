package import EthereumPrimitives
import PlumiseWire

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
    _ sent: RecoveredTransaction, forcedRevert: Revert? = nil
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
    _ sent: RecoveredTransaction, in execution: inout Execution, gas: UInt64, forcedRevert: Revert?
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
    _ sent: RecoveredTransaction, outcome: CallOutcome, gasUsed used: UInt64, price: Word,
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

/// What programs can see of the block they run in.
struct BlockEnvironment {
  let number: UInt64
  /// Seconds since 1970.
  let timestamp: UInt64
  /// Wei a unit of gas.
  let baseFee: Word
  let gasLimit: UInt64
  let coinbase: Address
}

/// A call in progress: the state it changes and the events it emits.
struct Execution {
  var state: WorldState
  var logs: [LogEntry] = []
  let block: BlockEnvironment
  let rules: ChainRules

  /// Transfers the value and runs the program, if there is one; undoes all of it on a revert.
  mutating func call(_ message: Message, gas: UInt64) -> CallOutcome {
    let (stateBefore, logsBefore) = (state, logs)
    let program = NativeProgram(at: message.recipient, rules: rules)
    if let program, rules.gasCost(of: program) > gas { return .outOfGas }
    do throws(Revert) {
      guard state.debit(message.value, from: message.caller) else {
        throw Revert("insufficient balance for transfer")
      }
      state.credit(message.value, to: message.recipient)
      guard let program else { return .returned([]) }
      return .returned(try program.run(message, in: &self))
    } catch {
      (state, logs) = (stateBefore, logsBefore)
      return .reverted(error)
    }
  }

  mutating func emit(_ log: LogEntry) { logs.append(log) }
}

/// One call of a program: by a transaction, by another program, or by eth_call.
struct Message {
  /// `msg.sender`.
  let caller: Address
  /// The program that is called.
  let recipient: Address
  /// Wei that was transferred with the call.
  let value: Word
  /// The call's input.
  let input: [UInt8]
}

/// Why a program undid everything it did.
package struct Revert: Error, Hashable, Sendable {
  /// The revert data: `Error(string)` in ABI form, or nothing.
  package let output: [UInt8]

  /// A revert without a reason, as Solidity does for malformed input.
  static let withoutReason = Revert(output: [])

  init(output: [UInt8]) { self.output = output }

  /// A revert with a reason, as Solidity's `require` makes it.
  init(_ reason: String) { output = ABI.encodeError(reason) }

  /// The reason, when there is one.
  package var reason: String? { ABI.decodeError(output) }
}

/// The result of a call.
enum CallOutcome {
  case returned([UInt8])
  case reverted(Revert)
  /// The program's price exceeds the gas that was left.
  case outOfGas
}

/// The programs that the chain runs itself; no other bytecode is run.
enum NativeProgram: CaseIterable {
  case verifyInference, agentRegister, agentHeartbeat, claimReward
  case agentRegistry, rewardPool

  /// The program at an address, or nil when there is none.
  init?(at address: Address, rules: ChainRules) {
    switch address {
    case rules.registryAddress: self = .agentRegistry
    case rules.poolAddress: self = .rewardPool
    default:
      switch address.word.exactUInt64() {
      case 0x20: self = .verifyInference
      case 0x21: self = .agentRegister
      case 0x22: self = .agentHeartbeat
      case 0x23: self = .claimReward
      default: return nil
      }
    }
  }

  func address(rules: ChainRules) -> Address {
    switch self {
    case .verifyInference: .precompile(0x20)
    case .agentRegister: .precompile(0x21)
    case .agentHeartbeat: .precompile(0x22)
    case .claimReward: .precompile(0x23)
    case .agentRegistry: rules.registryAddress
    case .rewardPool: rules.poolAddress
    }
  }

  /// Whether it is a contract with code, rather than a precompile, which has none.
  var isContract: Bool {
    switch self {
    case .agentRegistry, .rewardPool: true
    case .verifyInference, .agentRegister, .agentHeartbeat, .claimReward: false
    }
  }

  func run(_ message: Message, in execution: inout Execution) throws(Revert) -> [UInt8] {
    switch self {
    case .verifyInference: try VerifyInferencePrecompile.run(message, in: &execution)
    case .agentRegister: try AgentRegisterPrecompile.run(message, in: &execution)
    case .agentHeartbeat: try AgentHeartbeatPrecompile.run(message, in: &execution)
    case .claimReward: try ClaimRewardPrecompile.run(message, in: &execution)
    case .agentRegistry: try AgentRegistryContract.run(message, in: &execution)
    case .rewardPool: try RewardPoolContract.run(message, in: &execution)
    }
  }
}

/// The gas that a transaction costs before any program runs (yellow paper, §6.2; EIP-2028,
/// EIP-2930).
package enum IntrinsicGas {
  static let transaction: UInt64 = 21_000
  static let creation: UInt64 = 53_000
  static let zeroByte: UInt64 = 4
  static let nonzeroByte: UInt64 = 16
  static let accessListAddress: UInt64 = 2_400
  static let accessListKey: UInt64 = 1_900

  package static func of(
    data: [UInt8], accessList: [AccessListEntry] = [], isCreation: Bool = false
  ) -> UInt64 {
    let zeros = UInt64(data.count { $0 == 0 })
    let keys = accessList.reduce(0) { $0 + UInt64($1.storageKeys.count) }
    return (isCreation ? creation : transaction) + zeros * zeroByte
      + (UInt64(data.count) - zeros) * nonzeroByte
      + UInt64(accessList.count) * accessListAddress + keys * accessListKey
  }

  package static func of(_ transaction: Transaction) -> UInt64 {
    of(
      data: transaction.data, accessList: transaction.fee.accessList,
      isCreation: transaction.to == nil)
  }
}
