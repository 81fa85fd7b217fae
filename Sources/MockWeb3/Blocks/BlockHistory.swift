import EVM
import EthereumPrimitives

/// The chain of blocks, with what is looked up in it: by height, by hash, by transaction.
///
/// The latest blocks are kept as they are, with the states they left behind; the others packed.
struct BlockHistory {
  /// How many blocks keep the state they left behind, as geth does without an archive.
  static let retainedStates = 128
  /// No more blocks than this can be taken off, whenever that is.
  static let maximumRemovable = UInt64(2 * retainedStates)

  /// The height of the first block: 0, but on a forked chain.
  let first: UInt64
  private var packed: [PackedBlock] = []
  private var recent: [Block]
  /// The states after the recent blocks.
  private var states: [WorldState]
  private var numbers = HashIndex()
  /// Of each transaction the height of its block and its position there.
  private var locations = HashIndex()

  init(genesis: Block, state: WorldState) {
    first = genesis.number
    recent = [genesis]
    states = [state]
    numbers.insert(genesis.hash, genesis.number)
  }

  var count: Int { packed.count + recent.count }

  var genesis: Block { packed.first?.unpacked() ?? recent[0] }

  var latest: Block { recent[recent.endIndex - 1] }

  subscript(number: UInt64) -> Block? {
    guard number >= first, number - first < UInt64(count) else { return nil }
    let offset = Int(number - first)
    let index = offset - packed.count
    return index < 0 ? packed[offset].unpacked() : recent[index]
  }

  /// The hash of the block at a height; nil when there is none.
  func hash(of number: UInt64) -> Hash32? { self[number]?.hash }

  subscript(hash: Hash32) -> Block? {
    guard let block = numbers[hash].flatMap({ self[$0] }), block.hash == hash else { return nil }
    return block
  }

  /// Every block, the first one first; old ones are unpacked as they come.
  var blocks: some Sequence<Block> { (first..<first + UInt64(count)).lazy.compactMap { self[$0] } }

  /// Whether a block may have logs that a query asks for; false is certain, and quick.
  func mayMatch(_ query: LogQuery, at number: UInt64) -> Bool {
    guard number >= first else { return false }
    guard number - first < UInt64(packed.count) else { return true }
    return packed[Int(number - first)].logsBloom.map(query.mayMatch) ?? false
  }

  /// The state after a block; nil when it is too old.
  func state(after number: UInt64) -> WorldState? {
    guard number >= first, number - first < UInt64(count) else { return nil }
    let index = Int(number - first) - packed.count
    return index < 0 ? nil : states[index]
  }

  /// The block and the position of a mined transaction.
  func find(_ transaction: Hash32) -> (block: Block, index: Int)? {
    guard let location = locations[transaction], let block = self[location >> 24] else {
      return nil
    }
    let index = Int(location & 0xff_ffff)
    guard block.transactions.indices.contains(index),
      block.transactions[index].hash == transaction
    else { return nil }
    return (block, index)
  }

  mutating func append(_ block: Block, state: WorldState) {
    precondition(block.header.parentHash == latest.hash, "block \(block.number) has no parent here")
    precondition(block.transactions.count < 1 << 24, "a block has fewer than 2²⁴ transactions")
    recent.append(block)
    states.append(state)
    numbers.insert(block.hash, block.number)
    for (index, transaction) in block.transactions.enumerated() {
      locations.insert(transaction.hash, block.number << 24 | UInt64(index))
    }
    // Moving them one by one would move the rest every time.
    if recent.count >= 2 * Self.retainedStates {
      let old = recent.count - Self.retainedStates
      packed += recent.prefix(old).map(PackedBlock.init)
      recent.removeFirst(old)
      states.removeFirst(old)
    }
  }

  /// How many of the latest blocks can be taken off.
  var removableCount: Int { recent.count - 1 }

  /// Takes the latest blocks off again.
  /// - Returns: the blocks, the latest first; nil, and nothing changes, when the state below them
  ///   is no longer kept.
  mutating func removeLast(_ count: Int) -> [Block]? {
    guard count <= removableCount else { return nil }
    var removed: [Block] = []
    for _ in 0..<count {
      let block = recent.removeLast()
      states.removeLast()
      numbers.remove(block.hash)
      for transaction in block.transactions { locations.remove(transaction.hash) }
      removed.append(block)
    }
    return removed
  }
}

/// A table from hashes to numbers that keeps 64 bits of each hash: a long chain has one for every
/// block and every transaction.
///
/// What is found has to be compared with the hash that was asked for, since two may agree in what
/// is kept.
struct HashIndex {
  private var places: [UInt64: UInt64] = [:]
  /// Hashes that agree with an earlier one in what is kept of it.
  private var collisions: [Hash32: UInt64] = [:]

  private static func key(_ hash: Hash32) -> UInt64 { UInt64(truncatingIfNeeded: hash.word.low) }

  /// The number of a hash, or of another one that looks alike; nil when there is neither.
  subscript(hash: Hash32) -> UInt64? { collisions[hash] ?? places[Self.key(hash)] }

  mutating func insert(_ hash: Hash32, _ number: UInt64) {
    if places[Self.key(hash)] == nil {
      places[Self.key(hash)] = number
    } else {
      collisions[hash] = number
    }
  }

  /// Takes out a hash that is in.
  mutating func remove(_ hash: Hash32) {
    if collisions.removeValue(forKey: hash) == nil { places[Self.key(hash)] = nil }
  }
}

/// A block in a third of its memory: what cannot be computed from the rest, as RLP.
///
/// Old blocks are kept like this, and unpacked when they are read.
final class PackedBlock: Sendable {
  private let bytes: [UInt8]
  /// Nil when the block has no logs, as most have not.
  let logsBloom: LogsBloom?
  private let forcedReverts: [Int: Revert]
  private let totalDifficulty: UInt64
  private let fork: Hardfork

  init(_ block: Block) {
    let header = block.header
    logsBloom = block.receipts.allSatisfy(\.logs.isEmpty) ? nil : LogsBloom(bytes: header.logsBloom)
    forcedReverts = block.forcedReverts
    totalDifficulty = block.totalDifficulty
    fork = header.fork
    var writer = RLPWriter(capacity: 512)
    for hash in [header.parentHash, header.stateRoot, header.transactionsRoot, header.receiptsRoot]
    {
      writer.append(hash)
    }
    writer.append(header.coinbase)
    for number in [
      header.difficulty, header.number, header.gasLimit, header.gasUsed, header.timestamp,
    ] {
      writer.append(number)
    }
    writer.append(header.extraData)
    writer.append(header.baseFeePerGas)
    for (sent, receipt) in zip(block.transactions, block.receipts) {
      writer.append(sent.signed.raw)
      writer.append(sent.sender)
      receipt.pack(into: &writer)
    }
    bytes = writer.list()
  }

  /// The block as it was.
  func unpacked() -> Block {
    do {
      guard case .list(let items) = try RLP.decode(bytes) else { throw CorruptBlock() }
      var reader = PackedReader(items)
      let header = BlockHeader(
        parentHash: try reader.hash(), coinbase: .zero, stateRoot: try reader.hash(),
        transactionsRoot: try reader.hash(), receiptsRoot: try reader.hash(),
        logsBloom: (logsBloom ?? LogsBloom()).bytes, difficulty: 0, number: 0, gasLimit: 0,
        gasUsed: 0, timestamp: 0, extraData: [], baseFeePerGas: .zero,
        fork: fork)
      return try unpacked(header, &reader)
    } catch {
      preconditionFailure("a block that was packed here cannot be unpacked: \(error)")
    }
  }

  private func unpacked(_ fields: BlockHeader, _ reader: inout PackedReader) throws -> Block {
    var header = fields
    header.coinbase = try Address(bytes: try reader.bytes())
    header.difficulty = try reader.integer()
    header.number = try reader.integer()
    header.gasLimit = try reader.integer()
    header.gasUsed = try reader.integer()
    header.timestamp = try reader.integer()
    header.extraData = try reader.bytes()
    header.baseFeePerGas = try reader.word()
    var transactions: [RecoveredTransaction] = []
    var receipts: [TransactionReceipt] = []
    while !reader.isAtEnd {
      let signed = try SignedTransaction(raw: try reader.bytes())
      let sent = RecoveredTransaction(
        signed: signed, sender: try Address(bytes: try reader.bytes()))
      transactions.append(sent)
      receipts.append(try TransactionReceipt(unpacking: &reader, of: sent, after: receipts.last))
    }
    return Block(
      header: header, transactions: transactions, receipts: receipts,
      forcedReverts: forcedReverts, parentDifficulty: totalDifficulty - header.difficulty)
  }

  struct CorruptBlock: Error {}
}

/// Reads what ``PackedBlock`` wrote, item by item.
struct PackedReader {
  private var items: ArraySlice<RLP.Item>

  init(_ items: [RLP.Item]) { self.items = items[...] }

  var isAtEnd: Bool { items.isEmpty }

  mutating func bytes() throws -> [UInt8] {
    guard case .bytes(let bytes)? = items.popFirst() else { throw PackedBlock.CorruptBlock() }
    return bytes
  }

  mutating func list() throws -> PackedReader {
    guard case .list(let items)? = items.popFirst() else { throw PackedBlock.CorruptBlock() }
    return PackedReader(items)
  }

  mutating func hash() throws -> Hash32 { try Hash32(bytes: bytes()) }
  mutating func word() throws -> Word { try Word(bigEndian: bytes()) }

  mutating func integer() throws -> UInt64 {
    guard let value = try word().exactUInt64() else { throw PackedBlock.CorruptBlock() }
    return value
  }
}

extension TransactionReceipt {
  /// Writes what the transaction and its place do not tell: four items.
  fileprivate func pack(into writer: inout RLPWriter) {
    writer.append(gasUsed << 1 | (succeeded ? 1 : 0))
    writer.append(effectiveGasPrice)
    writer.append(output)
    var list = RLPWriter(capacity: logs.isEmpty ? 0 : 256)
    for log in logs { log.encode(into: &list) }
    writer.append(encoded: list.list())
  }

  fileprivate init(
    unpacking reader: inout PackedReader, of sent: RecoveredTransaction,
    after previous: TransactionReceipt?
  ) throws {
    let usedAndSucceeded = try reader.integer()
    let price = try reader.word()
    let output = try reader.bytes()
    var list = try reader.list()
    var logs: [LogEntry] = []
    while !list.isAtEnd {
      var log = try list.list()
      let address = try Address(bytes: try log.bytes())
      var topicList = try log.list()
      var topics: [Hash32] = []
      while !topicList.isAtEnd { topics.append(try topicList.hash()) }
      logs.append(LogEntry(address: address, topics: topics, data: try log.bytes()))
    }
    let used = usedAndSucceeded >> 1
    self.init(
      transactionHash: sent.hash, transactionIndex: previous.map { $0.transactionIndex + 1 } ?? 0,
      sender: sent.sender, recipient: sent.transaction.to, contractAddress: sent.createdAddress,
      succeeded: usedAndSucceeded & 1 == 1, gasUsed: used,
      cumulativeGasUsed: (previous?.cumulativeGasUsed ?? 0) + used, effectiveGasPrice: price,
      logs: logs, firstLogIndex: previous.map { $0.firstLogIndex + $0.logs.count } ?? 0,
      output: output, type: sent.transaction.fee.transactionType,
      bloom: logs.isEmpty ? LogsBloom() : LogsBloom(logs))
  }
}
