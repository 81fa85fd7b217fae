import EthereumPrimitives

extension Machine {
  /// Begins a call or a creation.
  /// - Returns: what it came to, or nil when a frame for it is at work now.
  func begin(_ request: CallRequest) -> CallResult? {
    clearReturnData()
    let result = request.kind.isCreation ? beginCreation(request) : beginCall(request)
    if let result, let tracer { report(result, of: request, to: tracer) }
    return result
  }

  private func beginCall(_ request: CallRequest) -> CallResult? {
    if depth > Gas.maxDepth { return .failed(.callTooDeep, gas: request.gas) }
    let target = journal.index(of: request.address)
    let moves = request.kind == .call || request.kind == .callcode
    if moves, request.value.isSet {
      let payer = journal.index(of: request.caller)
      guard journal.records[payer].balance >= request.value else {
        return .failed(.insufficientBalance, gas: request.gas)
      }
    }
    let snapshot = journal.snapshot()
    switch request.kind {
    case .call:
      journal.transfer(request.value, from: journal.index(of: request.caller), to: target)
    case .staticcall: journal.touch(target)
    default: break
    }
    if let native = natives[request.contract] {
      return run(native, request, snapshot)
    }
    let code = journal.code(journal.index(of: request.contract))
    guard code.count > 0 else {
      return CallResult(completion: .returned, gas: request.gas)
    }
    start(code, request, account: target, snapshot)
    return nil
  }

  private func run(
    _ native: any NativeContract, _ request: CallRequest, _ snapshot: Journal.Snapshot
  ) -> CallResult {
    let call = NativeCall(
      caller: request.caller, address: request.address, contract: request.contract,
      value: request.value, input: request.input, gas: request.gas, isStatic: request.isStatic)
    let host = NativeHost(journal: journal, block: block, origin: origin)
    let result = native.run(call, in: host)
    if request.isStatic, journal.hasWritten(since: snapshot) {
      journal.revert(to: snapshot)
      return .failed(.writeProtection, gas: 0)
    }
    switch result {
    case .returned(let bytes, let gas) where gas <= request.gas:
      bytes.withUnsafeBytes { setReturnData($0) }
      return CallResult(completion: .returned, gas: request.gas - gas)
    case .reverted(let bytes, let gas) where gas <= request.gas:
      journal.revert(to: snapshot)
      bytes.withUnsafeBytes { setReturnData($0) }
      return CallResult(completion: .reverted, gas: request.gas - gas)
    case .returned, .reverted:
      journal.revert(to: snapshot)
      return .failed(.outOfGas, gas: 0)
    case .failed:
      journal.revert(to: snapshot)
      return .failed(.precompileFailed, gas: 0)
    }
  }

  private func beginCreation(_ request: CallRequest) -> CallResult? {
    if depth > Gas.maxDepth { return .failed(.callTooDeep, gas: request.gas) }
    let creator = journal.index(of: request.caller)
    let nonce = journal.records[creator].nonce
    guard journal.records[creator].balance >= request.value else {
      return .failed(.insufficientBalance, gas: request.gas)
    }
    guard nonce < .max else { return .failed(.nonceOverflow, gas: request.gas) }
    let code = Code(
      copying: request.input.baseAddress ?? UnsafeRawPointer(returnData),
      count: request.input.count, hash: nil)
    let address =
      request.kind == .create
      ? ContractAddress.create(by: request.caller, nonce: nonce)
      : ContractAddress.create2(by: request.caller, salt: request.salt, codeHash: code.hash)
    journal.setNonce(creator, nonce + 1)
    let target = journal.index(of: address)
    _ = journal.warm(target)
    if journal.isOccupied(target) { return .failed(.addressCollision, gas: 0) }
    let snapshot = journal.snapshot()
    journal.markCreated(target)
    journal.setNonce(target, 1)
    journal.transfer(request.value, from: creator, to: target)
    var request = request
    request.address = address
    request.contract = address
    request.input = UnsafeRawBufferPointer(start: nil, count: 0)
    guard code.count > 0 else {
      return CallResult(completion: .returned, gas: request.gas, created: address)
    }
    start(code, request, account: target, snapshot)
    return nil
  }

  private func start(
    _ code: Code, _ request: CallRequest, account: Int, _ snapshot: Journal.Snapshot
  ) {
    let frame = pushFrame()
    frame.begin(code, gas: request.gas)
    frame.account = account
    frame.address = request.address
    frame.caller = request.caller
    frame.value = request.value
    frame.input = request.input
    frame.isStatic = request.isStatic
    frame.kind = request.kind
    frame.snapshot = snapshot
    tracer?.enter(
      TraceCall(
        kind: request.kind, depth: depth - 1, caller: request.caller, address: request.address,
        contract: request.contract, value: request.value, gas: request.gas,
        input: request.kind.isCreation
          ? UnsafeRawBufferPointer(start: code.start, count: code.count) : request.input))
  }

  /// Tells a tracer of a call that was over before a frame ran.
  private func report(_ result: CallResult, of request: CallRequest, to tracer: any Tracer) {
    tracer.enter(
      TraceCall(
        kind: request.kind, depth: depth, caller: request.caller,
        address: result.created ?? request.address, contract: result.created ?? request.contract,
        value: request.value, gas: request.gas, input: request.input))
    tracer.leave(
      TraceResult(
        completion: result.completion, gasUsed: request.gas - result.gas, output: output))
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
    try frame.charge(Gas.codeByte * UInt64(returnCount))
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

/// Where new contracts go.
enum ContractAddress {
  /// The last 20 bytes of keccak256 of the RLP of creator and nonce.
  static func create(by creator: Address, nonce: UInt64) -> Address {
    var writer = RLPWriter(capacity: 32)
    writer.append(creator)
    writer.append(nonce)
    return Address(truncating: writer.listHash().word)
  }

  /// The last 20 bytes of keccak256 of 0xff, creator, salt and the hash of the init code (EIP-1014).
  static func create2(by creator: Address, salt: Word, codeHash: Hash32) -> Address {
    var bytes: [UInt8] = [0xff]
    bytes.reserveCapacity(85)
    creator.word.appendBytes(to: &bytes, count: 20)
    salt.appendBytes(to: &bytes, count: 32)
    codeHash.word.appendBytes(to: &bytes, count: 32)
    return Address(truncating: Keccak256.hash(bytes).word)
  }
}
