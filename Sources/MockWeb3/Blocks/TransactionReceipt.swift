public import EthereumPrimitives

/// The result of one transaction in a block.
public struct TransactionReceipt: Hashable, Sendable {
  /// The transaction.
  public let transactionHash: Hash32
  /// Its place in the block.
  public let transactionIndex: Int
  /// The sender.
  public let sender: Address
  /// The recipient; nil for the creation of a contract.
  public let recipient: Address?
  /// The contract that a creation made, or would have made had it not failed; nil for a call.
  public let contractAddress: Address?
  /// Whether the call went through; false means it was reverted or ran out of gas.
  public let succeeded: Bool
  /// Gas that this transaction used.
  public let gasUsed: UInt64
  /// Gas that the block used up to and including this transaction.
  public let cumulativeGasUsed: UInt64
  /// Wei a unit of gas, tip included.
  public let effectiveGasPrice: Word
  /// The events that it emitted; none when it was reverted.
  public let logs: [LogEntry]
  /// The position of its first log among all logs of the block.
  public let firstLogIndex: Int
  /// The return data of the call, or the revert data.
  public let output: [UInt8]
  /// The envelope's type (EIP-2718): 0 legacy, 1 access list, 2 fee market.
  public let type: UInt8
  let bloom: LogsBloom

  var consensusBytes: [UInt8] {
    Self.consensusBytes(
      type: type, succeeded: succeeded, cumulativeGasUsed: cumulativeGasUsed, bloom: bloom,
      logs: logs)
  }

  /// The form that the receipts' trie commits to (EIP-2718, EIP-658).
  package static func consensusBytes(
    type: UInt8, succeeded: Bool, cumulativeGasUsed: UInt64, bloom: LogsBloom, logs: [LogEntry]
  ) -> [UInt8] {
    var fields = RLPWriter(capacity: 300)
    fields.append(succeeded ? 1 : 0 as UInt64)
    fields.append(cumulativeGasUsed)
    fields.append(bloom.bytes)
    var logList = RLPWriter(capacity: logs.isEmpty ? 0 : 256)
    for log in logs { log.encode(into: &logList) }
    fields.append(encoded: logList.list())
    let payload = fields.list()
    return type == 0 ? payload : [type] + payload
  }
}

/// The trie of a block's receipts.
enum ReceiptsTrie {
  /// What a transfer uses without data and access list.
  private static let transferGas: UInt64 = 21_000

  /// The roots over the receipt of one transfer, by its type: nothing else is in it, and most blocks of
  /// automatic mining have no more.
  private static let transferRoots = (0...2 as ClosedRange<UInt8>).map { type in
    MerkleTrie.root(ofList: [
      TransactionReceipt.consensusBytes(
        type: type, succeeded: true, cumulativeGasUsed: transferGas, bloom: LogsBloom(), logs: [])
    ])
  }

  /// The root over receipts in their order.
  static func root(of receipts: [TransactionReceipt]) -> Hash32 {
    if receipts.count == 1, receipts[0].succeeded, receipts[0].logs.isEmpty,
      receipts[0].cumulativeGasUsed == transferGas, receipts[0].type < transferRoots.count
    {
      return transferRoots[Int(receipts[0].type)]
    }
    return MerkleTrie.root(ofList: receipts.map(\.consensusBytes))
  }
}

/// An event that a program emitted (yellow paper, §4.4.1).
public struct LogEntry: Hashable, Sendable {
  /// The program that emitted it.
  public let address: Address
  /// The event's signature hash, then its indexed arguments: four at most.
  public let topics: [Hash32]
  /// The other arguments, ABI-encoded.
  public let data: [UInt8]

  package init(address: Address, topics: [Hash32], data: [UInt8]) {
    precondition(topics.count <= 4, "a log has at most four topics, not \(topics.count)")
    self.address = address
    self.topics = topics
    self.data = data
  }

  func encode(into writer: inout RLPWriter) {
    var topicList = RLPWriter(capacity: 33 * topics.count)
    for topic in topics { topicList.append(topic) }
    var fields = RLPWriter(capacity: data.count + 33 * topics.count + 40)
    fields.append(address)
    fields.append(encoded: topicList.list())
    fields.append(data)
    writer.append(encoded: fields.list())
  }
}

/// The filter of 2048 bits over the addresses and topics of logs (yellow paper, §4.4.1).
package struct LogsBloom: Hashable, Sendable {
  /// 256 bytes, the highest bits first.
  package private(set) var bytes: [UInt8]

  /// Most blooms are empty: they share one array.
  private static let noBits = [UInt8](repeating: 0, count: 256)

  package init() { bytes = Self.noBits }

  /// The filter of a header.
  init(bytes: [UInt8]) {
    precondition(bytes.count == 256, "a bloom has 256 bytes, not \(bytes.count)")
    self.bytes = bytes
  }

  package init(_ logs: [LogEntry]) {
    self.init()
    for log in logs {
      insert(log.address.bytes)
      for topic in log.topics { insert(topic.bytes) }
    }
  }

  /// Sets the three bits of an entry.
  package mutating func insert(_ entry: [UInt8]) {
    for bit in Self.bits(of: entry) { bytes[255 - bit / 8] |= 1 << UInt8(bit % 8) }
  }

  /// Whether an entry may be in; false is certain.
  package func mayContain(_ entry: [UInt8]) -> Bool {
    Self.bits(of: entry).allSatisfy { bytes[255 - $0 / 8] & 1 << UInt8($0 % 8) != 0 }
  }

  mutating func formUnion(_ other: LogsBloom) {
    for index in bytes.indices { bytes[index] |= other.bytes[index] }
  }

  /// The low eleven bits of the hash's first three pairs of bytes.
  private static func bits(of entry: [UInt8]) -> [Int] {
    let digest = Keccak256.hash(entry).bytes
    return [0, 2, 4].map { (Int(digest[$0]) << 8 | Int(digest[$0 + 1])) & 2047 }
  }
}
