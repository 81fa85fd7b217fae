public import EthereumPrimitives

/// What became of one transaction in a block.
public struct TransactionReceipt: Hashable, Sendable {
  /// The transaction.
  public let transactionHash: Hash32
  /// Its place in the block.
  public let transactionIndex: Int
  /// Who sent it.
  public let sender: Address
  /// Whom it called.
  public let recipient: Address?
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
  /// What the call returned, or the revert data.
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
