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
      let range = try frame.reach(frame.pop(), frame.pop())
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
      guard !frame.isStatic else { throw .writeProtection }
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
    (frame.outputStart, frame.outputCount) = try frame.reach(frame.pop(), frame.pop())
    return .ended(completion)
  }

  /// CALLDATACOPY and CODECOPY, and the end of EXTCODECOPY.
  func copy(_ frame: Frame, _ source: UnsafeRawPointer?, _ sourceCount: Int) throws(Failure) {
    let (target, from, count) = (frame.pop(), frame.pop(), frame.pop())
    let range = try frame.reach(target, count)
    try frame.charge(Gas.copyWord * Gas.words(range.count))
    frame.copy(source, sourceCount, from: from, to: range.start, count: range.count)
  }

  private func copyReturnData(_ frame: Frame) throws(Failure) {
    let (target, from, count) = (frame.pop(), frame.pop(), frame.pop())
    let (end, overflow) = from.addingReportingOverflow(count)
    guard !overflow, end.fits64Bits, end.limb0 <= UInt64(returnCount) else {
      throw .returnDataOutOfBounds
    }
    let range = try frame.reach(target, count)
    try frame.charge(Gas.copyWord * Gas.words(range.count))
    frame.copy(
      UnsafeRawPointer(returnData), returnCount, from: from, to: range.start, count: range.count)
  }

  /// MCOPY (EIP-5656): the ranges may overlap.
  private func copyMemory(_ frame: Frame) throws(Failure) {
    let (target, from, count) = (frame.pop(), frame.pop(), frame.pop())
    let source = try frame.reach(from, count)
    let range = try frame.reach(target, count)
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
    guard !frame.isStatic else { throw .writeProtection }
    let range = try frame.reach(frame.pop(), frame.pop())
    try frame.charge(Gas.logByte * UInt64(range.count))
    let topics = (0..<topicCount).map { _ in Hash32(word: frame.pop()) }
    let data = UnsafeRawBufferPointer(start: frame.memory + range.start, count: range.count)
    journal.emit(Log(address: frame.address, topics: topics, data: Array(data)))
  }
}
