import EthereumPrimitives

extension Machine {
  /// Begins a call or a creation.
  /// - Returns: its result, or nil when a frame was added that runs it.
  func begin(_ message: Message) -> CallResult? {
    clearReturnData()
    let result = message.kind.isCreation ? beginCreation(message) : beginCall(message)
    if let result, let tracer, depth == 0 || result.hasBegun {
      report(result, of: message, to: tracer)
    }
    return result
  }

  private func beginCall(_ message: Message) -> CallResult? {
    if depth > Gas.maxDepth { return .failed(.callTooDeep, gas: message.gas) }
    let target = journal.index(of: message.address)
    let moves = message.kind == .call || message.kind == .callcode
    if moves, message.value.isSet {
      let payer = journal.index(of: message.caller)
      guard journal.records[payer].balance >= message.value else {
        return .failed(.insufficientBalance, gas: message.gas)
      }
    }
    let snapshot = journal.snapshot()
    switch message.kind {
    case .call:
      journal.transfer(message.value, from: journal.index(of: message.caller), to: target)
    case .staticcall: journal.touch(target)
    default: break
    }
    if let native = natives[message.contract], isInstalled(native, at: message.contract) {
      return run(native, message, snapshot)
    }
    let code = journal.code(journal.index(of: message.contract))
    guard code.count > 0 else {
      return CallResult(completion: .returned, gas: message.gas)
    }
    start(code, message, account: target, snapshot)
    return nil
  }

  /// Whether a native contract stands for the code of its account.
  private func isInstalled(_ native: any NativeContract, at address: Address) -> Bool {
    guard let hash = native.codeHash else { return true }
    return journal.records[journal.index(of: address)].codeHash == hash
  }

  private func run(
    _ native: any NativeContract, _ message: Message, _ snapshot: Journal.Snapshot
  ) -> CallResult {
    let call = NativeCall(
      caller: message.caller, address: message.address, contract: message.contract,
      value: message.value, input: message.input, gas: message.gas, isStatic: message.isStatic)
    let host = NativeHost(journal: journal, block: block, origin: origin)
    let result = native.run(call, in: host)
    if message.isStatic, journal.hasWritten(since: snapshot) {
      journal.revert(to: snapshot)
      return .failed(.writeProtection, gas: 0)
    }
    switch result {
    case .returned(let bytes, let gas) where gas <= message.gas:
      bytes.withUnsafeBytes { setReturnData($0) }
      return CallResult(completion: .returned, gas: message.gas - gas)
    case .reverted(let bytes, let gas) where gas <= message.gas:
      journal.revert(to: snapshot)
      bytes.withUnsafeBytes { setReturnData($0) }
      return CallResult(completion: .reverted, gas: message.gas - gas)
    case .returned, .reverted:
      journal.revert(to: snapshot)
      return .failed(.outOfGas, gas: 0)
    case .failed(let reason):
      journal.revert(to: snapshot)
      return .failed(.inputRefused(reason), gas: 0)
    }
  }

  private func beginCreation(_ message: Message) -> CallResult? {
    if depth > Gas.maxDepth { return .failed(.callTooDeep, gas: message.gas) }
    let creator = journal.index(of: message.caller)
    let nonce = journal.records[creator].nonce
    guard journal.records[creator].balance >= message.value else {
      return .failed(.insufficientBalance, gas: message.gas)
    }
    guard nonce < .max else { return .failed(.nonceOverflow, gas: message.gas) }
    let code = Code(
      initCode: message.input.baseAddress ?? UnsafeRawPointer(returnData),
      count: message.input.count)
    let address =
      message.kind == .create
      ? Address.ofContract(createdBy: message.caller, nonce: nonce)
      : Address.ofContract(createdBy: message.caller, salt: message.salt, codeHash: code.hash)
    journal.setNonce(creator, nonce + 1)
    let target = journal.index(of: address)
    _ = journal.warm(target)
    if journal.isOccupied(target) { return .failed(.addressCollision, gas: 0) }
    let snapshot = journal.snapshot()
    journal.markCreated(target)
    journal.setNonce(target, 1)
    journal.transfer(message.value, from: creator, to: target)
    var message = message
    message.address = address
    message.contract = address
    message.input = UnsafeRawBufferPointer(start: nil, count: 0)
    guard code.count > 0 else {
      return CallResult(completion: .returned, gas: message.gas, created: address)
    }
    start(code, message, account: target, snapshot)
    return nil
  }

  private func start(
    _ code: Code, _ message: Message, account: Int, _ snapshot: Journal.Snapshot
  ) {
    let frame = pushFrame()
    frame.begin(code, gas: message.gas)
    frame.account = account
    frame.address = message.address
    frame.caller = message.caller
    frame.value = message.value
    frame.input = message.input
    frame.isStatic = message.isStatic
    frame.kind = message.kind
    frame.snapshot = snapshot
    tracer?.enter(
      TraceCall(
        kind: message.kind, depth: depth - 1, caller: message.callingContract,
        address: message.address, contract: message.contract, value: message.value,
        gas: message.gas,
        input: message.kind.isCreation
          ? UnsafeRawBufferPointer(start: code.start, count: code.count) : message.input))
  }

  /// Reports a call to a tracer that ended before a frame ran.
  private func report(_ result: CallResult, of message: Message, to tracer: any Tracer) {
    tracer.enter(
      TraceCall(
        kind: message.kind, depth: depth, caller: message.callingContract,
        address: result.created ?? message.address, contract: result.created ?? message.contract,
        value: message.value, gas: message.gas, input: message.input))
    tracer.leave(
      TraceResult(
        completion: result.completion, gasUsed: message.gas - result.gas, output: output))
  }

  /// Ends a frame: keeps its output and its effects, or undoes them.
  func end(_ frame: Frame, _ completion: Completion) -> CallResult {
    var result = CallResult(completion: completion, gas: frame.gas)
    setReturnData(
      UnsafeRawBufferPointer(start: frame.memory + frame.outputStart, count: frame.outputCount))
    if completion == .returned, frame.kind.isCreation {
      do throws(Failure) {
        try deploy(frame)
        result.gas = frame.gas
        result.created = frame.address
      } catch { result.completion = .failed(error) }
    }
    if result.completion != .returned, let snapshot = frame.snapshot {
      journal.revert(to: snapshot)
      if result.completion != .reverted {
        result.gas = 0
        clearReturnData()
      }
    }
    tracer?.leave(
      TraceResult(
        completion: result.completion, gasUsed: frame.startGas - result.gas, output: output))
    if result.completion == .returned, frame.kind.isCreation, depth > 1 { clearReturnData() }
    frame.code = .empty
    return result
  }

  /// Makes the output of init code the new contract's code.
  private func deploy(_ frame: Frame) throws(Failure) {
    guard returnCount <= Gas.maxCodeSize else { throw .codeTooLarge }
    let code = UnsafeRawPointer(returnData)
    if returnCount > 0, code.load(as: UInt8.self) == 0xef { throw .invalidCode }
    do { try frame.charge(Gas.codeByte * UInt64(returnCount)) } catch { throw .codeStorageOutOfGas }
    if returnCount > 0 {
      journal.setCode(frame.account, Code(copying: code, count: returnCount, hash: nil))
    }
  }

  /// Gives a call's result to the frame that made it.
  func deliver(_ result: CallResult, to frame: Frame, _ kind: CallKind) {
    frame.gas &+= result.gas
    if kind.isCreation {
      frame.push(result.completion == .returned ? result.created?.word ?? .zero : .zero)
      return
    }
    frame.push(Word(result.completion == .returned))
    let count = min(frame.awaitedCount, returnCount)
    if count > 0 {
      (frame.memory + frame.awaitedStart).copyMemory(from: returnData, byteCount: count)
    }
  }
}

/// A call or a creation that is to begin.
struct Message {
  var kind: CallKind
  /// Who `msg.sender` will be.
  var caller: Address
  /// Whose state the code will work on; in a creation it is found out.
  var address: Address
  /// Where the code is.
  var contract: Address
  /// What `msg.value` will be.
  var value: Word
  var gas: UInt64
  /// The input, or the init code of a creation.
  var input: UnsafeRawBufferPointer
  var isStatic: Bool
  /// What CREATE2 makes the address of, beside the init code.
  var salt = Word.zero

  /// Whose code begins the call: DELEGATECALL leaves `msg.sender` as it was.
  var callingContract: Address { kind == .delegatecall ? address : caller }
}

/// What a call or a creation came to; its output is the machine's return data.
struct CallResult {
  var completion: Completion
  /// The gas that was left.
  var gas: UInt64
  /// The contract that a creation made.
  var created: Address?

  /// Whether the call passed what is checked before it begins.
  var hasBegun: Bool {
    guard case .failed(let failure) = completion else { return true }
    return !failure.leavesGas && failure != .addressCollision
  }

  static func failed(_ failure: Failure, gas: UInt64) -> CallResult {
    CallResult(completion: .failed(failure), gas: failure.leavesGas ? gas : 0)
  }
}
