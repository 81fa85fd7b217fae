public import EthereumPrimitives

/// The Ethereum virtual machine: values in, effects out.
///
/// It keeps nothing between transactions but code that was made ready to run, so one machine may
/// serve many threads. The state is read through a ``StateReader``, and what changes comes out as
/// ``StateEffects``.
public struct VirtualMachine: Sendable {
  /// The rules that code runs by.
  public let fork: Hardfork
  private let natives: [Address: any NativeContract]
  private let codes: CodeCache

  /// A machine.
  /// - Parameters:
  ///   - fork: the rules that code runs by.
  ///   - natives: contracts of the embedder's that are no bytecode, beside the standard precompiles.
  ///   - codes: where code that is ready to run is kept.
  public init(
    fork: Hardfork, natives: [Address: any NativeContract] = [:], codes: CodeCache = CodeCache()
  ) {
    self.fork = fork
    self.natives = StandardPrecompiles.all(fork).merging(natives) { $1 }
    self.codes = codes
  }

  /// Whether an address is a standard precompile's or one of the embedder's contracts'.
  public func hasNativeContract(at address: Address) -> Bool { natives[address] != nil }

  /// Whether an address is a precompile's, which runs whatever its account has.
  public func hasPrecompile(at address: Address) -> Bool {
    natives[address].map { $0.codeHash == nil } ?? false
  }

  /// Checks a transaction, runs it, and charges its sender.
  /// - Parameters:
  ///   - transaction: the transaction, without its signature.
  ///   - sender: who signed it.
  ///   - state: the accounts and storage before it.
  ///   - block: the block that it becomes a part of.
  ///   - gasLeft: what the block has left for transactions; all of its limit when nil.
  ///   - mayHaveCode: whether the sender may be a contract, which EIP-3607 forbids to all that sign.
  ///   - native: state of the embedder's contracts that has to go back with the rest.
  ///   - tracer: is told of each step.
  /// - Throws: ``InvalidTransactionError``, and nothing happened, when it cannot be part of the block.
  public func execute(
    _ transaction: Transaction, from sender: Address, on state: any StateReader,
    in block: BlockContext, gasLeft: UInt64? = nil, mayHaveCode: Bool = false,
    native: (any NativeState)? = nil, tracer: (any Tracer)? = nil
  ) throws(InvalidTransactionError) -> TransactionOutcome {
    let account = state.account(at: sender) ?? AccountState()
    let rules = TransactionRules(
      fork: fork, block: block, gasLeft: gasLeft ?? block.gasLimit, mayHaveCode: mayHaveCode)
    let price = try rules.check(transaction, account)
    let journal = Journal(state, codes: codes, native: native)
    let machine = machine(
      block, journal, tracer, origin: sender, gasPrice: price)
    let payer = journal.index(of: sender)
    let gasLimit = transaction.gasLimit
    // The balance covers the highest cost, of which this is a part.
    journal.setBalance(payer, account.balance &- Word(gasLimit) &* price)
    if transaction.to != nil { journal.setNonce(payer, account.nonce + 1) }
    warm(journal, sender: sender, to: transaction.to, transaction.fee.accessList, block)
    let result = run(
      machine, from: sender, to: transaction.to, value: transaction.value, input: transaction.data,
      gas: gasLimit - IntrinsicGas.of(transaction, fork: fork))
    let spent = gasLimit - result.gas
    let refund = min(UInt64(max(0, journal.refund)), spent / 5)
    let used = spent - refund
    journal.setBalance(payer, journal.records[payer].balance &+ Word(gasLimit - used) &* price)
    let coinbase = journal.index(of: block.coinbase)
    journal.setBalance(
      coinbase, journal.records[coinbase].balance &+ Word(used) &* (price &- block.baseFee))
    return TransactionOutcome(
      completion: result.completion, gasUsed: used, gasRefunded: refund, gasPrice: price,
      output: Array(machine.output), logs: journal.logs, created: result.created,
      effects: journal.effects())
  }

  /// Runs a call or a creation without a transaction around it: nobody is charged, no nonce is
  /// checked, and no gas is taken before code runs.
  /// - Parameters:
  ///   - to: who is called, or nil to run `input` as init code.
  ///   - sender: the caller.
  ///   - value: the wei that the call transfers.
  ///   - input: the call's data, or the init code.
  ///   - gas: the gas that the code may use.
  ///   - gasPrice: the result of GASPRICE, in wei.
  ///   - accessList: the addresses and slots that count as accessed already (EIP-2930).
  ///   - state: the accounts and storage before it.
  ///   - block: the block that the code sees.
  ///   - native: state of the embedder's contracts that has to go back with the rest.
  ///   - tracer: is told of each step.
  public func call(
    _ to: Address?, from sender: Address, value: Word = .zero, input: [UInt8] = [], gas: UInt64,
    gasPrice: Word = .zero, accessList: [AccessListEntry] = [], on state: any StateReader,
    in block: BlockContext, native: (any NativeState)? = nil, tracer: (any Tracer)? = nil
  ) -> CallOutcome {
    let journal = Journal(state, codes: codes, native: native)
    let machine = machine(block, journal, tracer, origin: sender, gasPrice: gasPrice)
    warm(journal, sender: sender, to: to, accessList, block)
    let result = run(machine, from: sender, to: to, value: value, input: input, gas: gas)
    return CallOutcome(
      completion: result.completion, gasUsed: gas - result.gas,
      refund: UInt64(max(0, journal.refund)), output: Array(machine.output), logs: journal.logs,
      created: result.created, effects: journal.effects())
  }

  /// What a transaction does that cannot be part of a block but is one all the same, in tests of the
  /// rules: the coinbase is touched.
  package func touchCoinbase(_ block: BlockContext, on state: any StateReader) -> StateEffects {
    let journal = Journal(state, codes: codes, native: nil)
    journal.touch(journal.index(of: block.coinbase))
    return journal.effects()
  }

  private func machine(
    _ block: BlockContext, _ journal: Journal, _ tracer: (any Tracer)?, origin: Address,
    gasPrice: Word
  ) -> Machine {
    Machine(
      fork: fork, block: block, journal: journal, natives: natives, tracer: tracer,
      origin: origin, gasPrice: gasPrice)
  }

  private func run(
    _ machine: Machine, from sender: Address, to: Address?, value: Word, input: [UInt8],
    gas: UInt64
  ) -> CallResult {
    input.withUnsafeBytes { input in
      machine.run(
        Message(
          kind: to == nil ? .create : .call, caller: sender, address: to ?? .zero,
          contract: to ?? .zero, value: value, gas: gas, input: input, isStatic: false))
    }
  }

  /// What is warm from the start (EIP-2929, EIP-2930, EIP-3651).
  private func warm(
    _ journal: Journal, sender: Address, to: Address?, _ list: [AccessListEntry],
    _ block: BlockContext
  ) {
    // Set first: the accounts of records that exist are not looked at again.
    journal.initiallyWarm = natives
    _ = journal.warm(journal.index(of: sender))
    if let to { _ = journal.warm(journal.index(of: to)) }
    if fork >= .shanghai { _ = journal.warm(journal.index(of: block.coinbase)) }
    for entry in list {
      let index = journal.index(of: entry.address)
      _ = journal.warm(index)
      for key in entry.storageKeys { _ = journal.warmSlot(journal.slotIndex(index, key.word)) }
    }
  }
}

/// Whether a transaction may be part of a block (yellow paper, §6.2).
struct TransactionRules {
  let fork: Hardfork
  let block: BlockContext
  /// What the block has left.
  let gasLeft: UInt64
  /// Whether the sender may be a contract.
  let mayHaveCode: Bool

  /// - Returns: what a unit of gas costs, in wei.
  func check(
    _ transaction: Transaction, _ sender: AccountState
  ) throws(InvalidTransactionError) -> Word {
    let nonce = transaction.nonce
    if nonce < sender.nonce { throw .nonceTooLow(next: sender.nonce, actual: nonce) }
    if nonce > sender.nonce { throw .nonceTooHigh(next: sender.nonce, actual: nonce) }
    guard nonce < .max else { throw .nonceExhausted }
    guard mayHaveCode || sender.codeHash == AccountState.emptyCodeHash else {
      throw .senderHasCode
    }
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

/// The gas that a transaction costs before any code runs (yellow paper, §6.2; EIP-2028, EIP-2930,
/// EIP-3860).
public enum IntrinsicGas {
  /// The most init code that a transaction may have from Shanghai on, in bytes (EIP-3860).
  public static let maximumInitCodeSize = Gas.maxInitCodeSize

  /// What a transaction costs under the rules of a hard fork.
  public static func of(_ transaction: Transaction, fork: Hardfork) -> UInt64 {
    of(
      data: transaction.data, accessList: transaction.fee.accessList,
      isCreation: transaction.to == nil, fork: fork)
  }

  /// What a transaction with these fields costs under the rules of a hard fork.
  /// - Parameters:
  ///   - data: the input of a call, or the init code of a new contract.
  ///   - accessList: the addresses and storage keys that are declared (EIP-2930).
  ///   - isCreation: whether `data` is init code.
  ///   - fork: the hard fork.
  public static func of(
    data: [UInt8], accessList: [AccessListEntry] = [], isCreation: Bool = false, fork: Hardfork
  ) -> UInt64 {
    let zeros = UInt64(data.count { $0 == 0 })
    let others = UInt64(data.count) - zeros
    let keys = accessList.reduce(0) { $0 + UInt64($1.storageKeys.count) }
    var gas = zeros * 4 + others * 16 + UInt64(accessList.count) * 2_400 + keys * 1_900
    gas += isCreation ? 53_000 : 21_000
    if isCreation, fork >= .shanghai { gas += Gas.initCodeWord * Gas.words(data.count) }
    return gas
  }
}
