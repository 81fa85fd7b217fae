import EthereumPrimitives

extension Machine {
  /// Runs an instruction that looks beyond the stack.
  /// - Returns: why the interpreter leaves the frame, or nil when it goes on.
  @inline(never)
  func perform(_ instruction: Instruction, _ frame: Frame) throws(Failure) -> Exit? {
    switch instruction.kind {
    case .exp:
      let (base, exponent) = (frame.pop(), frame.pop())
      try frame.charge(Gas.exponentByte * UInt64(exponent.byteCount))
      frame.push(base.power(exponent))
    case .keccak256:
      let range = try frame.expandMemory(frame.pop(), frame.pop())
      try frame.charge(Gas.hashWord * Gas.words(range.count))
      let bytes = UnsafeRawBufferPointer(start: frame.memory + range.start, count: range.count)
      frame.push(Keccak256.hash(bytes).word)
    case .origin: frame.push(origin.word)
    case .gasprice: frame.push(gasPrice)
    case .calldatacopy:
      try copy(frame, frame.input.baseAddress, frame.input.count)
    case .codesize: frame.push(Word(limb: UInt64(frame.code.count)))
    case .codecopy:
      try copy(frame, UnsafeRawPointer(frame.code.start), frame.code.count)
    case .returndatasize: frame.push(Word(limb: UInt64(returnCount)))
    case .returndatacopy: try copyReturnData(frame)
    case .mcopy: try copyMemory(frame)
    case .blockhash: frame.push(blockHash(frame.pop()))
    case .coinbase: frame.push(block.coinbase.word)
    case .timestamp: frame.push(Word(limb: block.timestamp))
    case .number: frame.push(Word(limb: block.number))
    case .prevrandao: frame.push(fork >= .paris ? block.random : block.difficulty)
    case .gaslimit: frame.push(Word(limb: block.gasLimit))
    case .chainid: frame.push(Word(limb: block.chainID))
    case .basefee: frame.push(block.baseFee)
    // Only transactions that carry blobs have hashes of some, and there are none here.
    case .blobhash: frame.top[-1] = .zero
    case .blobbasefee: frame.push(block.blobBaseFee)
    case .selfbalance: frame.push(journal.records[frame.account].balance)
    case .balance, .extcodesize, .extcodehash, .extcodecopy:
      try readAccount(instruction.kind, frame)
    case .sload: try load(frame)
    case .sstore: try store(frame)
    case .tload: frame.push(journal.transientValue(frame.account, frame.pop()))
    case .tstore:
      try mayWrite(frame)
      journal.setTransient(frame.account, frame.pop(), frame.pop())
    case .log: try log(Int(instruction.operand), frame)
    case .return: return try finish(frame, .returned)
    case .revert: return try finish(frame, .reverted)
    case .selfdestruct: return try destroy(frame)
    case .call: return try call(.call, frame)
    case .callcode: return try call(.callcode, frame)
    case .delegatecall: return try call(.delegatecall, frame)
    case .staticcall: return try call(.staticcall, frame)
    case .create: return try create(.create, frame)
    case .create2: return try create(.create2, frame)
    default: preconditionFailure("\(instruction.kind) runs in the interpreter's loop")
    }
    return nil
  }

  private func finish(_ frame: Frame, _ completion: Completion) throws(Failure) -> Exit {
    (frame.outputStart, frame.outputCount) = try frame.expandMemory(frame.pop(), frame.pop())
    return .ended(completion)
  }

  /// CALLDATACOPY and CODECOPY, and the end of EXTCODECOPY.
  func copy(_ frame: Frame, _ source: UnsafeRawPointer?, _ sourceCount: Int) throws(Failure) {
    let (target, from, count) = (frame.pop(), frame.pop(), frame.pop())
    let range = try frame.expandMemory(target, count)
    try frame.charge(Gas.copyWord * Gas.words(range.count))
    frame.copy(source, sourceCount, from: from, to: range.start, count: range.count)
  }

  private func copyReturnData(_ frame: Frame) throws(Failure) {
    let (target, from, count) = (frame.pop(), frame.pop(), frame.pop())
    let range = try frame.expandMemory(target, count)
    try frame.charge(Gas.copyWord * Gas.words(range.count))
    let (end, overflow) = from.addingReportingOverflow(count)
    guard !overflow, end.fits64Bits, end.limb0 <= UInt64(returnCount) else {
      throw .returnDataOutOfBounds
    }
    frame.copy(
      UnsafeRawPointer(returnData), returnCount, from: from, to: range.start, count: range.count)
  }

  /// MCOPY (EIP-5656): the ranges may overlap.
  private func copyMemory(_ frame: Frame) throws(Failure) {
    let (target, from, count) = (frame.pop(), frame.pop(), frame.pop())
    _ = try frame.expandMemory(max(from, target), count)
    let source = try frame.expandMemory(from, count)
    let range = try frame.expandMemory(target, count)
    try frame.charge(Gas.copyWord * Gas.words(range.count))
    (frame.memory + range.start).copyMemory(
      from: frame.memory + source.start, byteCount: range.count)
  }

  private func blockHash(_ number: Word) -> Word {
    guard number.fits64Bits, number.limb0 < block.number,
      block.number - number.limb0 <= 256
    else { return .zero }
    return journal.reader.blockHash(of: number.limb0).word
  }

  private func log(_ topicCount: Int, _ frame: Frame) throws(Failure) {
    let range = try frame.expandMemory(frame.pop(), frame.pop())
    try frame.charge(Gas.logByte * UInt64(range.count))
    try mayWrite(frame)
    let topics = (0..<topicCount).map { _ in Hash32(word: frame.pop()) }
    let data = UnsafeRawBufferPointer(start: frame.memory + range.start, count: range.count)
    journal.emit(Log(address: frame.address, topics: topics, data: Array(data)))
  }
}

extension Machine {
  /// Refuses to write in a static call (EIP-214); what the instruction costs is taken before.
  private func mayWrite(_ frame: Frame) throws(Failure) {
    guard !frame.isStatic else { throw .writeProtection }
  }

  /// Takes what a first access costs beyond one to something warm (EIP-2929).
  func warm(_ address: Word, _ frame: Frame) throws(Failure) -> Int {
    let index = journal.index(of: Address(truncating: address))
    if !journal.warm(index) { try frame.charge(Gas.coldAccount - Gas.warmAccess) }
    return index
  }

  /// BALANCE, EXTCODESIZE, EXTCODEHASH and EXTCODECOPY.
  func readAccount(_ kind: InstructionKind, _ frame: Frame) throws(Failure) {
    let address = frame.pop()
    if kind == .extcodecopy { _ = try Frame.memoryEnd(frame.top[-1], frame.top[-3]) }
    let index = try warm(address, frame)
    switch kind {
    case .balance: frame.push(journal.records[index].balance)
    case .extcodesize: frame.push(Word(limb: UInt64(journal.code(index).count)))
    case .extcodehash:
      let record = journal.records[index]
      frame.push(record.isEmpty ? .zero : record.codeHash.word)
    default:
      let code = journal.code(index)
      try copy(frame, UnsafeRawPointer(code.start), code.count)
    }
  }

  func load(_ frame: Frame) throws(Failure) {
    let index = journal.slotIndex(frame.account, frame.top[-1])
    if !journal.warmSlot(index) { try frame.charge(Gas.coldSlot - Gas.warmAccess) }
    frame.top[-1] = journal.slots[index].value
  }

  /// SSTORE with net gas metering (EIP-2200, EIP-2929, EIP-3529).
  func store(_ frame: Frame) throws(Failure) {
    guard frame.gas > Gas.slotSentry else { throw .outOfGas }
    let index = journal.slotIndex(frame.account, frame.pop())
    let value = frame.pop()
    if !journal.warmSlot(index) { try frame.charge(Gas.coldSlot) }
    let current = journal.slots[index].value
    let price = SlotWritePrice(
      original: journal.slots[index].original, current: current, value: value)
    try frame.charge(price.gas)
    try mayWrite(frame)
    journal.refund += price.refund
    if !Word.equal(current, value) { journal.setSlot(index, value) }
  }

  /// SELFDESTRUCT (EIP-6780 from Cancun on).
  func destroy(_ frame: Frame) throws(Failure) -> Exit {
    let beneficiary = journal.index(of: Address(truncating: frame.pop()))
    if !journal.warm(beneficiary) { try frame.charge(Gas.coldAccount) }
    let balance = journal.records[frame.account].balance
    if balance.isSet, journal.records[beneficiary].isEmpty { try frame.charge(Gas.newAccount) }
    try mayWrite(frame)
    let isDeleted = fork < .cancun || journal.records[frame.account].isCreated
    if beneficiary == frame.account {
      // What a contract leaves to itself is lost with it.
      if isDeleted { journal.setBalance(beneficiary, .zero) }
    } else {
      journal.transfer(balance, from: frame.account, to: beneficiary)
    }
    journal.touch(frame.account)
    if isDeleted { journal.markDestroyed(frame.account) }
    if let tracer { report(balance, from: frame.address, to: beneficiary, tracer) }
    return .ended(.returned)
  }

  /// Reports what SELFDESTRUCT gave away as a call that runs nothing.
  private func report(
    _ balance: Word, from contract: Address, to beneficiary: Int, _ tracer: any Tracer
  ) {
    let address = journal.records[beneficiary].address
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    tracer.enter(
      TraceCall(
        kind: .selfdestruct, depth: depth, caller: contract, address: address, contract: address,
        value: balance, gas: 0, input: nothing))
    tracer.leave(TraceResult(completion: .returned, gasUsed: 0, output: nothing))
  }

  func call(_ kind: CallKind, _ frame: Frame) throws(Failure) -> Exit {
    let (gas, target) = (frame.pop(), frame.pop())
    let hasValue = kind == .call || kind == .callcode
    let value = hasValue ? frame.pop() : .zero
    // Both ranges are looked at before either is paid for.
    _ = try Frame.memoryEnd(frame.top[-1], frame.top[-2])
    _ = try Frame.memoryEnd(frame.top[-3], frame.top[-4])
    let input = try frame.expandMemory(frame.pop(), frame.pop())
    (frame.awaitedStart, frame.awaitedCount) = try frame.expandMemory(frame.pop(), frame.pop())
    let index = try warm(target, frame)
    if value.isSet {
      try frame.charge(Gas.callValue)
      if kind == .call, journal.records[index].isEmpty { try frame.charge(Gas.newAccount) }
    }
    // All but one 64th at most (EIP-150).
    let most = frame.gas - frame.gas / 64
    let given = gas.fits64Bits ? min(gas.limb0, most) : most
    try frame.charge(given)
    if kind == .call, value.isSet { try mayWrite(frame) }
    let contract = journal.records[index].address
    let isOwn = kind == .callcode || kind == .delegatecall
    return .call(
      Message(
        kind: kind, caller: kind == .delegatecall ? frame.caller : frame.address,
        address: isOwn ? frame.address : contract, contract: contract,
        value: kind == .delegatecall ? frame.value : value,
        gas: given + (value.isSet ? Gas.callStipend : 0),
        input: UnsafeRawBufferPointer(start: frame.memory + input.start, count: input.count),
        isStatic: frame.isStatic || kind == .staticcall))
  }

  func create(_ kind: CallKind, _ frame: Frame) throws(Failure) -> Exit {
    let value = frame.pop()
    let code = try frame.expandMemory(frame.pop(), frame.pop())
    let salt = kind == .create2 ? frame.pop() : .zero
    if fork >= .shanghai {
      guard code.count <= Gas.maxInitCodeSize else { throw .outOfGas }
      try frame.charge(Gas.initCodeWord * Gas.words(code.count))
    }
    if kind == .create2 { try frame.charge(Gas.hashWord * Gas.words(code.count)) }
    try mayWrite(frame)
    let gas = frame.gas - frame.gas / 64
    try frame.charge(gas)
    return .call(
      Message(
        kind: kind, caller: frame.address, address: .zero, contract: .zero, value: value, gas: gas,
        input: UnsafeRawBufferPointer(start: frame.memory + code.start, count: code.count),
        isStatic: false, salt: salt))
  }
}
