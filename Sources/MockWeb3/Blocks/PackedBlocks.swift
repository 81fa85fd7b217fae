import EVM
import EthereumPrimitives

/// Old blocks, one behind the other, in a sixth of their memory: what cannot be computed from the rest,
/// as RLP.
///
/// Each block is unpacked when it is read: its roots and its hash are computed again.
final class PackedBlocks: Sendable {
  /// How many blocks are packed together.
  static let count = BlockHistory.retainedStates

  private let bytes: [UInt8]
  /// Where each block ends in the bytes.
  private let ends: [UInt32]
  /// The header of the first block, which the others mostly have parts of.
  private let first: BlockHeader
  /// The filters of the blocks that have logs, as most have not.
  private let logsBlooms: [Int: LogsBloom]
  private let forcedReverts: [Int: [Int: Revert]]
  /// The first block of a chain: one of another chain has roots of what is not here.
  private let beginning: Block?

  /// - Parameter isBeginning: whether the first of the blocks is the chain's first one.
  init(_ blocks: ArraySlice<Block>, isBeginning: Bool) {
    precondition(blocks.count == Self.count, "\(Self.count) blocks are packed, not \(blocks.count)")
    let first = blocks[blocks.startIndex].header
    var (bytes, ends): ([UInt8], [UInt32]) = ([], [])
    bytes.reserveCapacity(256 * blocks.count)
    ends.reserveCapacity(blocks.count)
    var (blooms, reverts): ([Int: LogsBloom], [Int: [Int: Revert]]) = ([:], [:])
    for (index, block) in blocks.enumerated() {
      bytes += Self.packed(block, after: first)
      ends.append(UInt32(bytes.count))
      if !block.receipts.allSatisfy(\.logs.isEmpty) {
        blooms[index] = LogsBloom(bytes: block.header.logsBloom)
      }
      if !block.forcedReverts.isEmpty { reverts[index] = block.forcedReverts }
    }
    // What was reserved and not used goes back.
    self.bytes = Array(bytes[...])
    (self.ends, self.first, logsBlooms, forcedReverts) = (ends, first, blooms, reverts)
    beginning = isBeginning ? blocks.first : nil
  }

  /// The filter over the logs of a block; nil when it has none.
  func logsBloom(at index: Int) -> LogsBloom? { logsBlooms[index] }

  /// What a block's header has other than the first one's.
  private struct Differences: OptionSet {
    let rawValue: UInt64

    static let coinbase = Differences(rawValue: 1)
    static let gasLimit = Differences(rawValue: 2)
    static let extraData = Differences(rawValue: 4)
    static let fork = Differences(rawValue: 8)

    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(_ header: BlockHeader, from first: BlockHeader) {
      self = []
      if header.coinbase != first.coinbase { insert(.coinbase) }
      if header.gasLimit != first.gasLimit { insert(.gasLimit) }
      if header.extraData != first.extraData { insert(.extraData) }
      if header.fork != first.fork { insert(.fork) }
    }
  }

  private static func packed(_ block: Block, after first: BlockHeader) -> [UInt8] {
    let header = block.header
    let differences = Differences(header, from: first)
    var writer = RLPWriter(capacity: 512)
    writer.append(header.parentHash)
    writer.append(header.stateRoot)
    for number in [
      header.difficulty, block.totalDifficulty, header.timestamp - first.timestamp,
      differences.rawValue,
    ] {
      writer.append(number)
    }
    writer.append(header.baseFeePerGas)
    if differences.contains(.coinbase) { writer.append(header.coinbase) }
    if differences.contains(.gasLimit) { writer.append(header.gasLimit) }
    if differences.contains(.extraData) { writer.append(header.extraData) }
    if differences.contains(.fork) { writer.append(Array(header.fork.rawValue.utf8)) }
    for (sent, receipt) in zip(block.transactions, block.receipts) {
      writer.append(sent.signed.raw)
      writer.append(sent.sender)
      receipt.pack(into: &writer)
    }
    return writer.list()
  }

  /// The hash of the block before one: what the list of a block's items begins with.
  func parentHash(at index: Int) -> Hash32 {
    let start = index == 0 ? 0 : Int(ends[index - 1])
    // The list's own head: a byte, and the bytes of its length where that is above 55 (RLP).
    let head = bytes[start] > 0xf7 ? 1 + Int(bytes[start] - 0xf7) : 1
    let hash = start + head + 1
    do { return try Hash32(bytes: Array(bytes[hash..<hash + 32])) } catch {
      preconditionFailure("a hash has 32 bytes: \(error)")
    }
  }

  /// A block as it was.
  func block(at index: Int) -> Block {
    if index == 0, let beginning { return beginning }
    let start = index == 0 ? 0 : Int(ends[index - 1])
    do {
      guard case .list(let items) = try RLP.decode(Array(bytes[start..<Int(ends[index])])) else {
        throw CorruptBlock()
      }
      var reader = PackedReader(items)
      return try unpacked(&reader, at: index)
    } catch {
      preconditionFailure("a block that was packed here cannot be unpacked: \(error)")
    }
  }

  private func unpacked(_ reader: inout PackedReader, at index: Int) throws -> Block {
    var header = first
    header.number += UInt64(index)
    header.parentHash = try reader.hash()
    header.stateRoot = try reader.hash()
    header.difficulty = try reader.integer()
    let totalDifficulty = try reader.integer()
    header.timestamp += try reader.integer()
    let differences = Differences(rawValue: try reader.integer())
    header.baseFeePerGas = try reader.word()
    if differences.contains(.coinbase) {
      header.coinbase = try Address(bytes: try reader.bytes())
    }
    if differences.contains(.gasLimit) { header.gasLimit = try reader.integer() }
    if differences.contains(.extraData) { header.extraData = try reader.bytes() }
    if differences.contains(.fork) {
      let name = String(decoding: try reader.bytes(), as: UTF8.self)
      guard let fork = Hardfork(rawValue: name) else { throw CorruptBlock() }
      header.fork = fork
    }
    var transactions: [RecoveredTransaction] = []
    var receipts: [TransactionReceipt] = []
    while !reader.isAtEnd {
      let signed = try SignedTransaction(raw: try reader.bytes())
      let sent = RecoveredTransaction(
        signed: signed, sender: try Address(bytes: try reader.bytes()))
      transactions.append(sent)
      receipts.append(try TransactionReceipt(unpacking: &reader, of: sent, after: receipts.last))
    }
    header.gasUsed = receipts.last?.cumulativeGasUsed ?? 0
    header.logsBloom = (logsBlooms[index] ?? LogsBloom()).bytes
    header.transactionsRoot = MerkleTrie.root(ofList: transactions.map(\.signed.raw))
    header.receiptsRoot = ReceiptsTrie.root(of: receipts)
    return Block(
      header: header, transactions: transactions, receipts: receipts,
      forcedReverts: forcedReverts[index] ?? [:],
      parentDifficulty: totalDifficulty - header.difficulty)
  }

  struct CorruptBlock: Error {}
}

/// Reads what ``PackedBlocks`` wrote, item by item.
struct PackedReader {
  private var items: ArraySlice<RLP.Item>

  init(_ items: [RLP.Item]) { self.items = items[...] }

  var isAtEnd: Bool { items.isEmpty }

  mutating func bytes() throws -> [UInt8] {
    guard case .bytes(let bytes)? = items.popFirst() else { throw PackedBlocks.CorruptBlock() }
    return bytes
  }

  mutating func list() throws -> PackedReader {
    guard case .list(let items)? = items.popFirst() else { throw PackedBlocks.CorruptBlock() }
    return PackedReader(items)
  }

  mutating func hash() throws -> Hash32 { try Hash32(bytes: bytes()) }
  mutating func word() throws -> Word { try Word(bigEndian: bytes()) }

  mutating func integer() throws -> UInt64 {
    guard let value = try word().exactUInt64() else { throw PackedBlocks.CorruptBlock() }
    return value
  }
}

extension TransactionReceipt {
  /// Writes what the transaction and its place do not tell: four items.
  fileprivate func pack(into writer: inout RLPWriter) {
    // The highest bit is free but on chains without a limit.
    writer.append((Word(gasUsed) << 1) + (succeeded ? 1 : 0))
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
    let usedAndSucceeded = try reader.word()
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
    let used = (usedAndSucceeded >> 1).limb0
    self.init(
      transactionHash: sent.hash, transactionIndex: previous.map { $0.transactionIndex + 1 } ?? 0,
      sender: sent.sender, recipient: sent.transaction.to, contractAddress: sent.createdAddress,
      succeeded: usedAndSucceeded.limb0 & 1 == 1, gasUsed: used,
      cumulativeGasUsed: (previous?.cumulativeGasUsed ?? 0) + used, effectiveGasPrice: price,
      logs: logs, firstLogIndex: previous.map { $0.firstLogIndex + $0.logs.count } ?? 0,
      output: output, type: sent.transaction.fee.transactionType,
      bloom: logs.isEmpty ? LogsBloom() : LogsBloom(logs))
  }
}
