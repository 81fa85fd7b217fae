import EthereumPrimitives

extension Machine {
  /// Takes what a first access costs beyond one to something warm (EIP-2929).
  func warm(_ address: Word, _ frame: Frame) throws(Failure) -> Int {
    let index = journal.index(of: Address(truncating: address))
    if !journal.warm(index) { try frame.charge(Gas.coldAccount - Gas.warmAccess) }
    return index
  }

  /// BALANCE, EXTCODESIZE, EXTCODEHASH and EXTCODECOPY.
  func readAccount(_ kind: InstructionKind, _ frame: Frame) throws(Failure) {
    let index = try warm(frame.pop(), frame)
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
    guard !frame.isStatic else { throw .writeProtection }
    guard frame.gas > Gas.slotSentry else { throw .outOfGas }
    let index = journal.slotIndex(frame.account, frame.pop())
    let value = frame.pop()
    if !journal.warmSlot(index) { try frame.charge(Gas.coldSlot) }
    let (original, current) = (journal.slots[index].original, journal.slots[index].value)
    if Word.equal(current, value) { return try frame.charge(Gas.warmAccess) }
    if Word.equal(original, current) {
      try frame.charge(original.isSet ? Gas.slotReset : Gas.slotSet)
      if original.isSet, !value.isSet { journal.refund += Gas.slotClearRefund }
    } else {
      try frame.charge(Gas.warmAccess)
      if original.isSet {
        if !current.isSet {
          journal.refund -= Gas.slotClearRefund
        } else if !value.isSet {
          journal.refund += Gas.slotClearRefund
        }
      }
      if Word.equal(original, value) {
        let paid = original.isSet ? Gas.slotReset : Gas.slotSet
        journal.refund += Int64(paid - Gas.warmAccess)
      }
    }
    journal.setSlot(index, value)
  }

  /// SELFDESTRUCT (EIP-6780 from Cancun on).
  func destroy(_ frame: Frame) throws(Failure) -> Exit {
    guard !frame.isStatic else { throw .writeProtection }
    let heir = journal.index(of: Address(truncating: frame.pop()))
    if !journal.warm(heir) { try frame.charge(Gas.coldAccount) }
    let balance = journal.records[frame.account].balance
    if balance.isSet, journal.records[heir].isEmpty { try frame.charge(Gas.newAccount) }
    let isDeleted = fork < .cancun || journal.records[frame.account].isCreated
    if heir == frame.account {
      // What a contract leaves to itself is lost with it.
      if isDeleted { journal.setBalance(heir, .zero) }
    } else {
      journal.transfer(balance, from: frame.account, to: heir)
    }
    journal.touch(frame.account)
    if isDeleted { journal.markDestroyed(frame.account) }
    return .ended(.returned)
  }

  func call(_ kind: CallKind, _ frame: Frame) throws(Failure) -> Exit {
    let (gas, target) = (frame.pop(), frame.pop())
    let hasValue = kind == .call || kind == .callcode
    let value = hasValue ? frame.pop() : .zero
    if kind == .call, frame.isStatic, value.isSet { throw .writeProtection }
    let input = try frame.reach(frame.pop(), frame.pop())
    (frame.awaitedStart, frame.awaitedCount) = try frame.reach(frame.pop(), frame.pop())
    let index = try warm(target, frame)
    if value.isSet {
      try frame.charge(Gas.callValue)
      if kind == .call, journal.records[index].isEmpty { try frame.charge(Gas.newAccount) }
    }
    // All but one 64th at most (EIP-150).
    let most = frame.gas - frame.gas / 64
    let given = gas.fits64Bits ? min(gas.limb0, most) : most
    try frame.charge(given)
    let contract = journal.records[index].address
    let isOwn = kind == .callcode || kind == .delegatecall
    return .call(
      CallRequest(
        kind: kind, caller: kind == .delegatecall ? frame.caller : frame.address,
        address: isOwn ? frame.address : contract, contract: contract,
        value: kind == .delegatecall ? frame.value : value,
        gas: given + (value.isSet ? Gas.callStipend : 0),
        input: UnsafeRawBufferPointer(start: frame.memory + input.start, count: input.count),
        isStatic: frame.isStatic || kind == .staticcall))
  }

  func create(_ kind: CallKind, _ frame: Frame) throws(Failure) -> Exit {
    guard !frame.isStatic else { throw .writeProtection }
    let value = frame.pop()
    let code = try frame.reach(frame.pop(), frame.pop())
    let salt = kind == .create2 ? frame.pop() : .zero
    if fork >= .shanghai {
      guard code.count <= Gas.maxInitCodeSize else { throw .outOfGas }
      try frame.charge(Gas.initCodeWord * Gas.words(code.count))
    }
    if kind == .create2 { try frame.charge(Gas.hashWord * Gas.words(code.count)) }
    let gas = frame.gas - frame.gas / 64
    try frame.charge(gas)
    return .call(
      CallRequest(
        kind: kind, caller: frame.address, address: .zero, contract: .zero, value: value, gas: gas,
        input: UnsafeRawBufferPointer(start: frame.memory + code.start, count: code.count),
        isStatic: false, salt: salt))
  }
}
