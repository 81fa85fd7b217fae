import EthereumPrimitives

/// What a tracer is told of an instruction before it runs.
struct StepPrice {
  /// The gas that it costs, that of a call handed over included.
  var gas: UInt64
  /// Why it does not run; errors of the run itself, such as a bad jump, come later.
  var error: Failure?
  /// What it adds to the gas to be given back.
  var refund: Int64 = 0
  /// The value that SLOAD reads.
  var loaded: Word?
}

extension Machine {
  /// The price of an instruction, found out without changing anything, for tracers only.
  ///
  /// An instruction that runs takes its gas bit by bit. Here it is computed at once, and as far as
  /// go-ethereum's interpreter computes it when an instruction cannot be paid for (core/vm,
  /// `EVMInterpreter.Run` and the gas functions).
  func price(
    of opcode: UInt8, _ frame: Frame, gas: UInt64, top: UnsafeMutablePointer<Word>
  ) -> StepPrice {
    let instruction = instructions[Int(opcode)]
    // These have a price that is computed in one piece there, even where a part is constant.
    let constant =
      switch instruction.kind {
      case .exp, .sload, .log: 0 as UInt64
      default: UInt64(instruction.gas)
      }
    let height = top - frame.stack
    let needed = Int(instruction.need / 32)
    if height < needed {
      return StepPrice(gas: constant, error: .stackUnderflow(height: height, needed: needed))
    }
    if height > instruction.highest {
      return StepPrice(
        gas: constant, error: .stackOverflow(height: height, limit: instruction.highest))
    }
    guard gas >= constant else { return StepPrice(gas: constant, error: .outOfGas) }
    var price = StepPrice(gas: constant)
    if instruction.kind == .sload { price.loaded = slot(frame, top[-1]).value }
    do throws(Failure) {
      let left = gas - constant
      var dynamic: UInt64 = 0
      if instruction.kind == .sstore {
        guard left > Gas.slotSentry else { throw .outOfGas }
        let slot = slot(frame, top[-1])
        let write = SlotWritePrice(original: slot.original, current: slot.value, value: top[-2])
        dynamic = write.gas + (slot.isWarm ? 0 : Gas.coldSlot)
        price.refund = write.refund
      } else {
        dynamic = try dynamicGas(instruction, frame, gas: left, top)
      }
      price.gas = constant &+ dynamic
      if dynamic > left { price.error = .outOfGas }
    } catch { price.error = error }
    return price
  }

  /// The part of a price that depends on the operands, which are there.
  /// - Throws: where go-ethereum's gas functions give no price.
  private func dynamicGas(
    _ instruction: Instruction, _ frame: Frame, gas: UInt64, _ top: UnsafeMutablePointer<Word>
  ) throws(Failure) -> UInt64 {
    switch instruction.kind {
    case .exp: UInt64(instruction.gas) + Gas.exponentByte * UInt64(top[-2].byteCount)
    case .keccak256:
      try memoryGas(frame, top[-1], top[-2]) + Gas.hashWord * Self.words(top[-2])
    case .balance, .extcodesize, .extcodehash: coldAccountGas(top[-1])
    case .extcodecopy:
      try memoryGas(frame, top[-2], top[-4]) + Gas.copyWord * Self.words(top[-4])
        + coldAccountGas(top[-1])
    case .calldatacopy, .codecopy, .returndatacopy:
      try memoryGas(frame, top[-1], top[-3]) + Gas.copyWord * Self.words(top[-3])
    case .mcopy:
      try memoryGas(frame, max(top[-1], top[-2]), top[-3]) + Gas.copyWord * Self.words(top[-3])
    case .mload, .mstore: try memoryGas(frame, top[-1], 32)
    case .mstore8: try memoryGas(frame, top[-1], 1)
    case .return, .revert: try memoryGas(frame, top[-1], top[-2])
    case .sload: slot(frame, top[-1]).isWarm ? Gas.warmAccess : Gas.coldSlot
    case .log:
      try memoryGas(frame, top[-1], top[-2]) + UInt64(instruction.gas)
        + Gas.logByte * top[-2].limb0
    case .call, .callcode: try callGas(instruction.kind, frame, gas: gas, top, range: 4)
    case .delegatecall, .staticcall:
      try callGas(instruction.kind, frame, gas: gas, top, range: 3)
    case .create, .create2: try creationGas(instruction.kind, frame, top)
    case .selfdestruct: destructionGas(frame, beneficiary: top[-1])
    default: 0
    }
  }

  /// A call's gas, with what it hands over.
  /// - Parameter range: the place on the stack, from the top, where the input's range is.
  private func callGas(
    _ kind: InstructionKind, _ frame: Frame, gas: UInt64, _ top: UnsafeMutablePointer<Word>,
    range: Int
  ) throws(Failure) -> UInt64 {
    let target = record(of: top[-2])
    let cold = target.isWarm ? 0 : Gas.coldAccount - Gas.warmAccess
    let input = try Frame.memoryEnd(top[-range], top[-range - 1])
    let output = try Frame.memoryEnd(top[-range - 2], top[-range - 3])
    guard gas >= cold else { throw .outOfGas }
    var base = try memoryGas(frame, to: max(input, output))
    if range == 4, top[-3].isSet {
      base += Gas.callValue
      if kind == .call, target.isEmpty { base += Gas.newAccount }
    }
    // go-ethereum's subtraction wraps where the gas does not cover the rest of the price, and the
    // price has what was asked for then.
    let left = (gas - cold) &- base
    let most = left &- left / 64
    let given = top[-1].fits64Bits ? min(top[-1].limb0, most) : most
    let (sum, overflow) = (base + cold).addingReportingOverflow(given)
    guard !overflow else { throw .outOfGas }
    return sum
  }

  private func creationGas(
    _ kind: InstructionKind, _ frame: Frame, _ top: UnsafeMutablePointer<Word>
  ) throws(Failure) -> UInt64 {
    let memory = try memoryGas(frame, top[-2], top[-3])
    var word: UInt64 = 0
    if fork >= .shanghai {
      guard top[-3].limb0 <= UInt64(Gas.maxInitCodeSize) else { throw .outOfGas }
      word += Gas.initCodeWord
    }
    if kind == .create2 { word += Gas.hashWord }
    return memory + word * Self.words(top[-3])
  }

  private func destructionGas(_ frame: Frame, beneficiary: Word) -> UInt64 {
    let record = record(of: beneficiary)
    let cold = record.isWarm ? 0 : Gas.coldAccount
    let isNew = record.isEmpty && journal.records[frame.account].balance.isSet
    return cold + (isNew ? Gas.newAccount : 0)
  }

  private func coldAccountGas(_ address: Word) -> UInt64 {
    record(of: address).isWarm ? 0 : Gas.coldAccount - Gas.warmAccess
  }

  private func record(of address: Word) -> Journal.Record {
    let index = journal.index(of: Address(truncating: address))
    return journal.records[index]
  }

  private func slot(_ frame: Frame, _ key: Word) -> Journal.Slot {
    let index = journal.slotIndex(frame.account, key)
    return journal.slots[index]
  }

  private func memoryGas(_ frame: Frame, _ start: Word, _ count: Word) throws(Failure) -> UInt64 {
    try memoryGas(frame, to: Frame.memoryEnd(start, count))
  }

  /// What it costs to expand the memory; go-ethereum prices some 137 GB at most.
  private func memoryGas(_ frame: Frame, to end: UInt64) throws(Failure) -> UInt64 {
    guard end <= 0x1f_ffff_ffe0 else { throw .outOfGas }
    guard end > UInt64(frame.memoryCount) else { return 0 }
    return Gas.memory(words: Gas.words(Int(end)))
      - Gas.memory(words: UInt64(frame.memoryCount / 32))
  }

  /// How many words hold a range that the memory's price was found for, so that it is no longer.
  private static func words(_ count: Word) -> UInt64 { Gas.words(Int(count.limb0)) }
}
