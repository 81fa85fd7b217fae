import EVM
import EthereumPrimitives
import PlumiseWire

/// What a call finds changed in the state and in the block, for itself alone (go-ethereum's
/// `StateOverride` and `BlockOverrides`).
struct CallOverrides: Sendable {
  private var accounts: [(address: Address, changes: AccountOverride)] = []
  private var block = BlockOverride()

  /// Nothing changed.
  init() {}

  /// Reads the state's overrides and the block's; either may be missing.
  init(state: GethValue?, block: GethValue?) throws {
    for (key, value) in try state?.fields(of: "StateOverride") ?? [:] {
      let name = GethValue(json: .string(key), position: value.position, field: value.field)
      accounts.append((try name.address(), try AccountOverride(value)))
    }
    accounts.sort { $0.address.word < $1.address.word }
    if let block { self.block = try BlockOverride(block) }
  }

  /// A view with the changes made to its state.
  func applied(to view: Chain.View) throws -> Chain.View {
    guard !accounts.isEmpty else { return view }
    var state = view.state
    for (address, changes) in accounts { try changes.apply(to: &state, at: address) }
    return Chain.View(state: state, block: view.block)
  }

  /// The block's base fee and its gas limit, where they are changed.
  var baseFee: Word? { block.baseFee }
  var gasLimit: UInt64? { block.gasLimit }

  /// Makes the changes to the block.
  func apply(to context: inout BlockContext) { block.apply(to: &context) }
}

/// The values that replace those of one account.
private struct AccountOverride: Sendable {
  private let nonce: UInt64?
  private let balance: Word?
  private let code: [UInt8]?
  /// The whole storage.
  private let storage: [Word: Word]?
  /// Some slots of it.
  private let slots: [Word: Word]?

  init(_ value: GethValue) throws {
    let fields = try value.fields(of: "OverrideAccount")
    nonce = try fields["nonce"]?.uint64()
    balance = try fields["balance"]?.word()
    code = try fields["code"]?.bytes()
    storage = try fields["state"].map(Self.slots)
    slots = try fields["stateDiff"].map(Self.slots)
  }

  private static func slots(_ value: GethValue) throws -> [Word: Word] {
    var slots: [Word: Word] = [:]
    for (key, value) in try value.fields(of: "map[common.Hash]common.Hash") {
      let slot = GethValue(json: .string(key), position: value.position, field: value.field)
      slots[try slot.hash().word] = try value.hash().word
    }
    return slots
  }

  func apply(to state: inout WorldState, at address: Address) throws {
    if let nonce { state[address].nonce = nonce }
    if let code { state.setCode(at: address, to: Code(code)) }
    if let balance { state[address].balance = balance }
    guard storage == nil || slots == nil else {
      throw RPCFailure.refused("account \(address.checksummed) has both 'state' and 'stateDiff'")
    }
    if storage != nil { state.removeStorage(of: address) }
    for (slot, value) in storage ?? slots ?? [:] {
      state.setStorage(at: address, slot: slot, to: value)
    }
  }
}

/// The values that replace those of the block.
private struct BlockOverride: Sendable {
  private var number: Word?
  private var difficulty: Word?
  private var time: UInt64?
  private(set) var gasLimit: UInt64?
  private var coinbase: Address?
  private var random: Hash32?
  private(set) var baseFee: Word?
  private var blobBaseFee: Word?

  init() {}

  init(_ value: GethValue) throws {
    // Go's decoder ignores the case of fields that have no name of their own.
    let fields = Dictionary(
      try value.fields(of: "BlockOverrides").map { ($0.key.lowercased(), $0.value) }
    ) { $1 }
    number = try fields["number"]?.word()
    difficulty = try fields["difficulty"]?.word()
    time = try fields["time"]?.uint64()
    gasLimit = try fields["gaslimit"]?.uint64()
    coinbase = try fields["coinbase"]?.address()
    random = try fields["random"]?.hash()
    baseFee = try fields["basefee"]?.word()
    blobBaseFee = try fields["blobbasefee"]?.word()
  }

  func apply(to context: inout BlockContext) {
    if let number { context.number = number.exactUInt64() ?? .max }
    if let difficulty { context.difficulty = difficulty }
    if let time { context.timestamp = time }
    if let gasLimit { context.gasLimit = gasLimit }
    if let coinbase { context.coinbase = coinbase }
    if let random { context.random = random.word }
    if let baseFee { context.baseFee = baseFee }
    if let blobBaseFee { context.blobBaseFee = blobBaseFee }
  }
}
