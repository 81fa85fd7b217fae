import EthereumPrimitives

/// A block in a third of its memory: what cannot be computed from the rest, as RLP.
///
/// Old blocks are kept like this; whoever asks for one gets it unpacked.
final class PackedBlock: Sendable {
  private let bytes: [UInt8]
  /// Nil when the block has no logs, as most have not.
  let logsBloom: LogsBloom?
  private let forcedReverts: [Int: Revert]
  private let totalDifficulty: UInt64

  init(_ block: Block) {
    let header = block.header
    logsBloom = block.receipts.allSatisfy(\.logs.isEmpty) ? nil : LogsBloom(bytes: header.logsBloom)
    forcedReverts = block.forcedReverts
    totalDifficulty = block.totalDifficulty
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
      guard case .list(let items) = try RLP.decode(bytes) else { throw Damage() }
      var reader = PackedReader(items)
      let header = BlockHeader(
        parentHash: try reader.hash(), coinbase: .zero, stateRoot: try reader.hash(),
        transactionsRoot: try reader.hash(), receiptsRoot: try reader.hash(),
        logsBloom: (logsBloom ?? LogsBloom()).bytes, difficulty: 0, number: 0, gasLimit: 0,
        gasUsed: 0, timestamp: 0, extraData: [], baseFeePerGas: .zero)
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
    var transactions: [SentTransaction] = []
    var receipts: [TransactionReceipt] = []
    while !reader.isAtEnd {
      let signed = try SignedTransaction(raw: try reader.bytes())
      let sent = SentTransaction(
        signed: signed, sender: try Address(bytes: try reader.bytes()))
      transactions.append(sent)
      receipts.append(try TransactionReceipt(unpacking: &reader, of: sent, after: receipts.last))
    }
    return Block(
      header: header, transactions: transactions, receipts: receipts,
      forcedReverts: forcedReverts, parentDifficulty: totalDifficulty - header.difficulty)
  }

  struct Damage: Error {}
}

/// Reads what ``PackedBlock`` wrote, item by item.
struct PackedReader {
  private var items: ArraySlice<RLP.Item>

  init(_ items: [RLP.Item]) { self.items = items[...] }

  var isAtEnd: Bool { items.isEmpty }

  mutating func bytes() throws -> [UInt8] {
    guard case .bytes(let bytes)? = items.popFirst() else { throw PackedBlock.Damage() }
    return bytes
  }

  mutating func list() throws -> PackedReader {
    guard case .list(let items)? = items.popFirst() else { throw PackedBlock.Damage() }
    return PackedReader(items)
  }

  mutating func hash() throws -> Hash32 { try Hash32(bytes: bytes()) }
  mutating func word() throws -> Word { try Word(bigEndian: bytes()) }

  mutating func integer() throws -> UInt64 {
    guard let value = try word().exactUInt64() else { throw PackedBlock.Damage() }
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
    unpacking reader: inout PackedReader, of sent: SentTransaction,
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
      sender: sent.sender, recipient: sent.transaction.to,
      succeeded: usedAndSucceeded & 1 == 1, gasUsed: used,
      cumulativeGasUsed: (previous?.cumulativeGasUsed ?? 0) + used, effectiveGasPrice: price,
      logs: logs, firstLogIndex: previous.map { $0.firstLogIndex + $0.logs.count } ?? 0,
      output: output, type: sent.transaction.fee.transactionType,
      bloom: logs.isEmpty ? LogsBloom() : LogsBloom(logs))
  }
}
