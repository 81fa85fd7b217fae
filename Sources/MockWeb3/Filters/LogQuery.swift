import EthereumPrimitives

/// Which logs are asked for (eth_getLogs, eth_newFilter).
struct LogQuery: Hashable, Sendable {
  /// The programs; none means any.
  var addresses: Set<Address> = []
  /// For each position the topics that are allowed there; none means any.
  var topics: [Set<Hash32>] = []

  func matches(_ log: LogEntry) -> Bool {
    guard addresses.isEmpty || addresses.contains(log.address) else { return false }
    guard topics.count <= log.topics.count else { return false }
    return zip(topics, log.topics).allSatisfy { $0.isEmpty || $0.contains($1) }
  }

  /// Whether a block's bloom leaves room for a match.
  func mayMatch(_ bloom: LogsBloom) -> Bool {
    (addresses.isEmpty || addresses.contains { bloom.mayContain($0.bytes) })
      && topics.allSatisfy { $0.isEmpty || $0.contains { bloom.mayContain($0.bytes) } }
  }

  /// The matching logs of a block, in order.
  func matches(in block: Block) -> [MinedLog] {
    guard mayMatch(LogsBloom(bytes: block.header.logsBloom)) else { return [] }
    return block.receipts.flatMap { receipt in
      guard !receipt.logs.isEmpty, mayMatch(receipt.bloom) else { return [MinedLog]() }
      return receipt.logs.enumerated().filter { matches($0.element) }.map { offset, log in
        MinedLog(log: log, block: block, receipt: receipt, index: receipt.firstLogIndex + offset)
      }
    }
  }
}

/// A log with the place where it was mined.
struct MinedLog {
  let log: LogEntry
  let block: Block
  let receipt: TransactionReceipt
  /// The log's position in its block.
  let index: Int
  /// Whether the block is no longer part of the chain.
  var isRemoved = false
}
