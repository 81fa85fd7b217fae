import EthereumPrimitives

/// The state as one transaction sees and changes it, with everything written down that it takes to
/// go back.
final class Journal {
  /// An account that was looked at.
  struct Record {
    let address: Address
    /// As it was before the transaction; nil when there was none.
    let original: AccountState?
    var nonce: UInt64
    var balance: Word
    var codeHash: Hash32
    /// The code, once it was asked for.
    var code: Code?
    /// Whether its code was made in this transaction.
    var isCodeNew = false
    /// Whether it was changed, or sent something, if only nothing.
    var isTouched = false
    /// Whether it was created in this transaction.
    var isCreated = false
    var isDestroyed = false
    /// Whether its first access was paid for (EIP-2929).
    var isWarm = false

    var isEmpty: Bool {
      nonce == 0 && balance.isZero && codeHash == AccountState.emptyCodeHash
    }
  }

  /// A slot of an account's storage that was looked at.
  struct Slot {
    let key: SlotKey
    let original: Word
    var value: Word
    var isWarm = false
  }

  struct SlotKey: Hashable {
    let account: Int
    let slot: Word
  }

  /// What undoes one change.
  enum Undo {
    case nonce(Int, UInt64)
    case balance(Int, Word)
    case code(Int)
    case touch(Int)
    case creation(Int)
    case destruction(Int)
    case warmAccount(Int)
    case slot(Int, Word)
    case warmSlot(Int)
    case warmNativeSlot(SlotKey)
    case transient(SlotKey, Word)
  }

  /// A moment to go back to.
  struct Snapshot {
    fileprivate let undos: Int
    fileprivate let logs: Int
    fileprivate let refund: Int64
    fileprivate let native: Int
  }

  let reader: any StateReader
  let codes: CodeCache
  let native: (any NativeState)?
  /// Contracts whose accounts are warm when they are first looked at.
  var initiallyWarm: [Address: any NativeContract] = [:]

  var records: ContiguousArray<Record> = []
  var slots: ContiguousArray<Slot> = []
  private var accountIndex: [Address: Int] = [:]
  private var slotIndex: [SlotKey: Int] = [:]
  /// Slots of native contracts that are warm; their values are kept elsewhere.
  private var warmNativeSlots: Set<SlotKey> = []
  private var transient: [SlotKey: Word] = [:]
  private var undos: ContiguousArray<Undo> = []
  private(set) var logs: [Log] = []
  /// The gas that cleared storage gives back; never below 0 at the end.
  var refund: Int64 = 0
  /// Touching 0x03 outlives the failure of the call that did it: it did in the block that first
  /// deleted empty accounts, and stayed a rule.
  private var isStickyTouched = false
  private static let sticky = Address.precompile(3)

  init(_ reader: any StateReader, codes: CodeCache, native: (any NativeState)?) {
    self.reader = reader
    self.codes = codes
    self.native = native
  }

  // MARK: Going back

  func snapshot() -> Snapshot {
    Snapshot(
      undos: undos.count, logs: logs.count, refund: refund, native: native?.snapshot() ?? 0)
  }

  func revert(to snapshot: Snapshot) {
    while undos.count > snapshot.undos {
      switch undos.removeLast() {
      case .nonce(let index, let nonce): records[index].nonce = nonce
      case .balance(let index, let balance): records[index].balance = balance
      case .code(let index):
        records[index].code = .empty
        records[index].codeHash = AccountState.emptyCodeHash
        records[index].isCodeNew = false
      case .touch(let index): records[index].isTouched = false
      case .creation(let index): records[index].isCreated = false
      case .destruction(let index): records[index].isDestroyed = false
      case .warmAccount(let index): records[index].isWarm = false
      case .slot(let index, let value): slots[index].value = value
      case .warmSlot(let index): slots[index].isWarm = false
      case .warmNativeSlot(let key): warmNativeSlots.remove(key)
      case .transient(let key, let value): transient[key] = value
      }
    }
    logs.removeLast(logs.count - snapshot.logs)
    refund = snapshot.refund
    native?.revert(to: snapshot.native)
  }

  /// Whether anything of the state was written since a moment; looking and touching are no writing.
  func hasWritten(since snapshot: Snapshot) -> Bool {
    logs.count > snapshot.logs || (native?.snapshot() ?? 0) != snapshot.native
      || undos[snapshot.undos...].contains { undo in
        switch undo {
        case .touch, .warmAccount, .warmSlot, .warmNativeSlot: false
        case .nonce, .balance, .code, .creation, .destruction, .slot, .transient: true
        }
      }
  }

  // MARK: Accounts

  /// Where an account's record is, read if need be.
  func index(of address: Address) -> Int {
    if let index = accountIndex[address] { return index }
    let original = reader.account(at: address)
    let state = original ?? AccountState()
    let index = records.count
    records.append(
      Record(
        address: address, original: original, nonce: state.nonce, balance: state.balance,
        codeHash: state.codeHash, isWarm: initiallyWarm[address].map { $0.codeHash == nil } ?? false
      ))
    accountIndex[address] = index
    return index
  }

  func code(_ index: Int) -> Code {
    if let code = records[index].code { return code }
    let (address, hash) = (records[index].address, records[index].codeHash)
    let code =
      hash == AccountState.emptyCodeHash
      ? .empty : codes.code(hash: hash) { reader.code(at: address, hash: hash) }
    records[index].code = code
    return code
  }

  func touch(_ index: Int) {
    if records[index].isTouched { return }
    records[index].isTouched = true
    undos.append(.touch(index))
    if records[index].address == Self.sticky { isStickyTouched = true }
  }

  func setNonce(_ index: Int, _ nonce: UInt64) {
    touch(index)
    undos.append(.nonce(index, records[index].nonce))
    records[index].nonce = nonce
  }

  func setBalance(_ index: Int, _ balance: Word) {
    touch(index)
    undos.append(.balance(index, records[index].balance))
    records[index].balance = balance
  }

  /// Moves wei that the sender has; a balance beyond 256 bits, which no supply reaches, begins at 0 again, as
  /// in go-ethereum (`stateObject.AddBalance`).
  func transfer(_ value: Word, from sender: Int, to recipient: Int) {
    touch(recipient)
    guard value.isSet else { return }
    setBalance(sender, records[sender].balance &- value)
    setBalance(recipient, records[recipient].balance &+ value)
  }

  func setCode(_ index: Int, _ code: Code) {
    touch(index)
    undos.append(.code(index))
    records[index].code = code
    records[index].codeHash = code.hash
    records[index].isCodeNew = true
  }

  /// Whether something is there that no creation may replace (EIP-684, EIP-7610).
  func isOccupied(_ index: Int) -> Bool {
    let record = records[index]
    return record.nonce != 0 || record.codeHash != AccountState.emptyCodeHash
      || reader.hasStorage(at: record.address)
  }

  func markCreated(_ index: Int) {
    undos.append(.creation(index))
    records[index].isCreated = true
  }

  func markDestroyed(_ index: Int) {
    touch(index)
    if records[index].isDestroyed { return }
    undos.append(.destruction(index))
    records[index].isDestroyed = true
  }

  /// Warms an account.
  /// - Returns: whether it was warm before.
  func warm(_ index: Int) -> Bool {
    if records[index].isWarm { return true }
    records[index].isWarm = true
    undos.append(.warmAccount(index))
    return false
  }

  // MARK: Storage

  /// Where a slot is, read if need be.
  func slotIndex(_ account: Int, _ slot: Word) -> Int {
    let key = SlotKey(account: account, slot: slot)
    if let index = slotIndex[key] { return index }
    let value =
      records[account].isCreated
      ? .zero : reader.storage(at: records[account].address, slot: slot)
    let index = slots.count
    slots.append(Slot(key: key, original: value, value: value))
    slotIndex[key] = index
    return index
  }

  /// Warms a slot.
  /// - Returns: whether it was warm before.
  func warmSlot(_ index: Int) -> Bool {
    if slots[index].isWarm { return true }
    slots[index].isWarm = true
    undos.append(.warmSlot(index))
    return false
  }

  /// Warms a slot whose value is kept elsewhere, and reads nothing.
  /// - Returns: whether it was warm before.
  func warmSlot(of account: Int, _ slot: Word) -> Bool {
    let key = SlotKey(account: account, slot: slot)
    // A transaction's access list reads the slots that it names.
    if let index = slotIndex[key] { return warmSlot(index) }
    guard warmNativeSlots.insert(key).inserted else { return true }
    undos.append(.warmNativeSlot(key))
    return false
  }

  func setSlot(_ index: Int, _ value: Word) {
    touch(slots[index].key.account)
    undos.append(.slot(index, slots[index].value))
    slots[index].value = value
  }

  func transientValue(_ account: Int, _ slot: Word) -> Word {
    transient[SlotKey(account: account, slot: slot)] ?? .zero
  }

  func setTransient(_ account: Int, _ slot: Word, _ value: Word) {
    let key = SlotKey(account: account, slot: slot)
    undos.append(.transient(key, transient[key] ?? .zero))
    transient[key] = value
  }

  func emit(_ log: Log) { logs.append(log) }

  // MARK: The end

  /// What changed in all; touched accounts that are empty are deleted (EIP-161).
  func effects() -> StateEffects {
    if isStickyTouched { records[index(of: Self.sticky)].isTouched = true }
    var storage: [Int: [Word: Word]] = [:]
    for slot in slots where slot.value != slot.original {
      storage[slot.key.account, default: [:]][slot.key.slot] = slot.value
    }
    var effects = StateEffects()
    for (index, record) in records.enumerated() where record.isTouched {
      if record.isDestroyed || record.isEmpty {
        if record.original != nil { effects.accounts[record.address] = .deleted }
        continue
      }
      let account = AccountState(
        nonce: record.nonce, balance: record.balance, codeHash: record.codeHash)
      let changed = storage[index] ?? [:]
      if account == record.original && changed.isEmpty { continue }
      effects.accounts[record.address] = .written(
        AccountWrite(
          account: account, code: record.isCodeNew ? record.code : nil, storage: changed))
    }
    return effects
  }
}
