import EthereumPrimitives
import PlumiseWire
import SystemErrors

/// What a chain's file needs beyond the blocks and the pool: the changes by tests, the steps that
/// are not saved yet, and the step of the file that the chain's state is after.
///
/// It is part of the chain, so that a snapshot brings it back with everything else.
struct ChainRecord {
  /// All changes by tests, the oldest first.
  private(set) var edits: [StateEdit] = []
  /// Whether a file keeps the chain; without one no steps are gathered.
  private(set) var isPersisted = false
  /// Steps that the file does not have yet.
  private(set) var unsaved: [ChainEvent] = []
  /// Whether another chain took this one's place, and the file has to be written anew.
  private(set) var needsRewrite = false
  private var settings: ChainSettings?
  /// The step of the file that the chain is after; 0 is the file's beginning.
  private var step = 0
  /// How many steps the file has, with those that are unsaved and those that were taken back.
  private var stepCount = 0
  /// After which step of the file the latest blocks were the latest, by their heights.
  private var blockSteps: [UInt64: Int] = [:]

  mutating func append(_ edit: StateEdit) {
    edits.append(edit)
    append(.edit(edit.change))
  }

  mutating func append(_ event: @autoclosure () -> ChainEvent) {
    guard isPersisted else { return }
    unsaved.append(event())
    stepCount += 1
    step = stepCount
  }

  /// Notes the settings when they are others than before.
  mutating func note(_ settings: ChainSettings) {
    guard settings != self.settings else { return }
    // The settings that a chain starts with are its configuration's.
    if self.settings != nil { append(.settings(settings)) }
    self.settings = settings
  }

  /// Notes that the latest step made a block; only blocks that can be undone are remembered.
  mutating func note(blockAt height: UInt64) {
    guard isPersisted else { return }
    blockSteps[height] = step
    if height >= BlockHistory.maximumRemovable {
      blockSteps[height - BlockHistory.maximumRemovable] = nil
    }
  }

  /// Takes back everything since a block was the latest one, all that waits included.
  /// - Returns: the changes by tests among it, the oldest first.
  mutating func rollBack(to height: UInt64) -> [StateEdit] {
    if isPersisted {
      if let step = blockSteps[height] {
        unsaved.append(.rolledBack(to: step))
        append(.emptied)
      } else {
        needsRewrite = true
      }
    }
    let first = edits.firstIndex { $0.height >= height } ?? edits.endIndex
    defer { edits.removeSubrange(first...) }
    return Array(edits[first...])
  }

  /// Starts to gather steps for a file, which has these already.
  mutating func startPersisting(_ places: StateFileFormat.Places) {
    isPersisted = true
    didRewrite(places)
  }

  /// The file has everything.
  mutating func didSave() { unsaved = [] }

  /// The file was written anew, with these steps.
  mutating func didRewrite(_ places: StateFileFormat.Places) {
    unsaved = []
    needsRewrite = false
    (step, stepCount, blockSteps) = (places.stepCount, places.stepCount, places.blockSteps)
  }

  /// Goes on from this record, of an earlier state, with the file that the later record has.
  mutating func restore(after other: ChainRecord) {
    isPersisted = other.isPersisted
    unsaved = other.unsaved
    needsRewrite = other.needsRewrite
    stepCount = other.stepCount
    if isPersisted { unsaved.append(.rolledBack(to: step)) }
  }

  /// Goes on with the file of another chain, which has to be rewritten.
  mutating func takeOver(fileOf other: ChainRecord) {
    isPersisted = other.isPersisted
    unsaved = []
    needsRewrite = true
  }
}

/// One step of a chain; replaying all of them gives the same chain, hash for hash.
enum ChainEvent: Hashable, Sendable {
  /// A block was made.
  case block(BlockStep)
  /// A transaction was accepted and is pending.
  case waiting([UInt8])
  /// A transaction that waited was taken out.
  case dropped(Hash32)
  /// A test changed the state.
  case edit(StateEdit.Change)
  /// The clock was moved, or blocks are made in another way from here on.
  case settings(ChainSettings)
  /// Nothing waits any more.
  case emptied
  /// The chain was rolled back to the state after an earlier step; steps count from 1 in the file's
  /// order, and 0 is the genesis. This does not count as a step.
  case rolledBack(to: Int)

  init(_ block: Block, after parent: Block, rules: ChainRules) {
    self = .block(BlockStep(block, after: parent, rules: rules))
  }
}

/// What a block is made of, apart from what follows from the block before.
struct BlockStep: Hashable, Sendable {
  /// Seconds since 1970.
  var timestamp: UInt64
  /// The encoded transactions.
  var transactions: [[UInt8]]
  /// The reverts that a fault forced, by the transaction's position.
  var forced: [Int: [UInt8]]
  /// The base fee if a test had set it, in wei a unit of gas.
  var baseFee: Word?
  /// Who gets the tips, if it is another account than in the block before.
  var coinbase: Address?
  /// The gas limit, if it is another than the block before has.
  var gasLimit: UInt64?
  /// The hash that comes out.
  var hash: Hash32
}

extension BlockStep {
  init(_ block: Block, after parent: Block, rules: ChainRules) {
    let header = block.header
    let fee = header.baseFeePerGas
    self.init(
      timestamp: header.timestamp, transactions: block.transactions.map(\.signed.raw),
      forced: block.forcedReverts.mapValues(\.output),
      baseFee: fee == BaseFee.next(after: parent.header) ? nil : fee,
      coinbase: header.coinbase == Self.coinbase(after: parent, rules) ? nil : header.coinbase,
      gasLimit: header.gasLimit == parent.header.gasLimit ? nil : header.gasLimit,
      hash: block.hash)
  }

  /// The rules that the block was made by.
  func rules(after parent: Block, _ rules: ChainRules) -> ChainRules {
    var own = rules
    own.coinbase = coinbase ?? Self.coinbase(after: parent, rules)
    own.blockGasLimit = gasLimit ?? parent.header.gasLimit
    return own
  }

  /// The genesis has no coinbase.
  private static func coinbase(after parent: Block, _ rules: ChainRules) -> Address {
    parent.number == 0 ? rules.coinbase : parent.header.coinbase
  }
}

/// What a test set for all blocks to come; nil where it is as the configuration says.
struct BlockSettings: Hashable, Sendable {
  /// Who gets the tips.
  var coinbase: Address?
  var gasLimit: UInt64?
  /// Seconds between a block and the one before; nil for the time that passed.
  var timestampInterval: UInt64?

  /// A chain's rules with these settings.
  func applied(to rules: ChainRules) -> ChainRules {
    guard coinbase != nil || gasLimit != nil else { return rules }
    var own = rules
    if let coinbase { own.coinbase = coinbase }
    if let gasLimit { own.blockGasLimit = gasLimit }
    return own
  }
}

/// What is neither state nor block, and survives all the same.
struct ChainSettings: Hashable, Sendable {
  /// Seconds that the chain is ahead of the time it is given.
  var clockOffset: Int64 = 0
  /// The timestamp that was set for the next block, in seconds since 1970.
  var nextTimestamp: UInt64?
  /// The base fee that was set for the next block, in wei a unit of gas.
  var nextBaseFee: Word?
  /// Whether a block is made for each transaction.
  var isAutomatic = true
  /// Whole milliseconds from block to block; nil for no blocks by time.
  var intervalMilliseconds: Int64?
  /// What a test set for all blocks to come.
  var blocks = BlockSettings()
}

extension ChainEvent {
  /// The event as a state file has it.
  var json: JSON {
    switch self {
    case .block(let block):
      let reverts = block.forced.sorted { $0.key < $1.key }
        .map { ("\($0.key)", JSON.hex($0.value)) }
      var object: JSONObject = [
        "event": "block", "timestamp": .quantity(block.timestamp),
        "transactions": .array(block.transactions.map { .hex($0) }),
        "forced": .object(JSONObject(uniqueMembers: reverts)), "hash": .hash(block.hash),
      ]
      object["baseFee"] = block.baseFee.map { .quantity($0) }
      object["coinbase"] = block.coinbase.map { .address($0) }
      object["gasLimit"] = block.gasLimit.map { .quantity($0) }
      return .object(object)
    case .waiting(let raw): return ["event": "waiting", "transaction": .hex(raw)]
    case .dropped(let hash): return ["event": "dropped", "hash": .hash(hash)]
    case .edit(.balance(let address, let balance)):
      return ["event": "balance", "address": .address(address), "value": .quantity(balance)]
    case .edit(.credit(let address, let amount)):
      return ["event": "credit", "address": .address(address), "value": .quantity(amount)]
    case .edit(.nonce(let address, let nonce)):
      return ["event": "nonce", "address": .address(address), "value": .quantity(nonce)]
    case .edit(.code(let address, let code)):
      return ["event": "code", "address": .address(address), "code": .hex(code)]
    case .edit(.storage(let address, let slot, let value)):
      return [
        "event": "storage", "address": .address(address), "slot": .quantity(slot),
        "value": .quantity(value),
      ]
    case .settings(let settings):
      var object: JSONObject = [
        "event": "settings", "clockOffset": .integer(settings.clockOffset),
        "nextTimestamp": settings.nextTimestamp.map { .quantity($0) } ?? .null,
        "nextBaseFee": settings.nextBaseFee.map { .quantity($0) } ?? .null,
        "automatic": .bool(settings.isAutomatic),
        "intervalMilliseconds": settings.intervalMilliseconds.map { .integer($0) } ?? .null,
      ]
      object["coinbase"] = settings.blocks.coinbase.map { .address($0) }
      object["gasLimit"] = settings.blocks.gasLimit.map { .quantity($0) }
      object["timestampInterval"] = settings.blocks.timestampInterval.map { .quantity($0) }
      return .object(object)
    case .emptied: return ["event": "emptied"]
    case .rolledBack(let step): return ["event": "takenBack", "to": .integer(step)]
    }
  }

  /// Reads one step of a state file.
  init(_ json: JSON) throws {
    let fields = try GethValue(json: json, position: 0).fields(of: "state")
    func field(_ name: String) throws -> GethValue {
      guard let field = fields[name] else { throw FileError.missingStateField(name) }
      return field
    }
    switch try field("event").string() {
    case "block":
      let transactions = try field("transactions").array().map { try $0.bytes() }
      var forced: [Int: [UInt8]] = [:]
      for member in json["forced"]?.objectValue?.members ?? [] {
        guard let index = Int(member.key), transactions.indices.contains(index) else {
          throw FileError.missingStateField("forced")
        }
        forced[index] = try GethValue(json: member.value, position: 0).bytes()
      }
      self = .block(
        BlockStep(
          timestamp: try field("timestamp").uint64(), transactions: transactions, forced: forced,
          baseFee: try fields["baseFee"]?.word(), coinbase: try fields["coinbase"]?.address(),
          gasLimit: try fields["gasLimit"]?.uint64(), hash: try field("hash").hash()))
    case "waiting": self = .waiting(try field("transaction").bytes())
    case "dropped": self = .dropped(try field("hash").hash())
    case "balance":
      self = .edit(.balance(try field("address").address(), try field("value").word()))
    case "credit":
      self = .edit(.credit(try field("address").address(), try field("value").word()))
    case "nonce":
      self = .edit(.nonce(try field("address").address(), try field("value").uint64()))
    case "code":
      self = .edit(.code(try field("address").address(), try field("code").bytes()))
    case "storage":
      self = .edit(
        .storage(
          try field("address").address(), slot: try field("slot").word(),
          value: try field("value").word()))
    case "settings":
      guard let offset = json["clockOffset"]?.integerValue else {
        throw FileError.missingStateField("clockOffset")
      }
      self = .settings(
        ChainSettings(
          clockOffset: offset, nextTimestamp: try fields["nextTimestamp"]?.uint64(),
          nextBaseFee: try fields["nextBaseFee"]?.word(),
          isAutomatic: try field("automatic").bool(),
          intervalMilliseconds: try Self.interval(fields["intervalMilliseconds"]),
          blocks: BlockSettings(
            coinbase: try fields["coinbase"]?.address(),
            gasLimit: try fields["gasLimit"]?.uint64(),
            timestampInterval: try fields["timestampInterval"]?.uint64())))
    case "emptied": self = .emptied
    case "takenBack":
      guard let step = json["to"]?.integerValue.flatMap({ Int(exactly: $0) }) else {
        throw FileError.missingStateField("to")
      }
      self = .rolledBack(to: step)
    case let name: throw FileError.unknownStateEvent(name)
    }
  }

  private static func interval(_ value: GethValue?) throws -> Int64? {
    guard let value else { return nil }
    guard let milliseconds = value.json.integerValue, milliseconds > 0,
      .milliseconds(milliseconds) <= MiningMode.longestInterval
    else { throw FileError.missingStateField("intervalMilliseconds") }
    return milliseconds
  }
}
