import EthereumPrimitives

/// The filters that clients poll for news since their last request.
///
/// Bounded: of too many filters the one polled longest ago is removed, and a filter that is not
/// polled keeps only its latest entries.
struct FilterTable {
  enum Kind {
    case blocks
    /// Whole transactions, or their hashes.
    case pendingTransactions(whole: Bool)
    case logs(FilterArguments)
  }

  struct Filter {
    let kind: Kind
    /// The height up to which the client has seen everything.
    var seen: UInt64
    /// Transactions that became ready since; only for pending transactions.
    var transactions: [RecoveredTransaction] = []
    /// Logs of blocks that were undone since; only for logs.
    var removed: [MinedLog] = []
    /// Counts up with every question to any filter.
    fileprivate var lastUse: UInt64
  }

  /// How many filters there can be.
  static let maximumFilters = 1000
  /// How many transactions, or logs that were taken back, a filter holds.
  static let maximumEntries = 10_000

  private var nextID: UInt64 = 1
  private var uses: UInt64 = 0
  private var filters: [UInt64: Filter] = [:]

  mutating func add(_ kind: Kind, height: UInt64) -> UInt64 {
    if filters.count >= Self.maximumFilters,
      let idle = filters.min(by: { $0.value.lastUse < $1.value.lastUse })
    {
      filters[idle.key] = nil
    }
    defer { nextID += 1 }
    uses += 1
    filters[nextID] = Filter(kind: kind, seen: height, lastUse: uses)
    return nextID
  }

  /// Gives no id again that another table has given: clients may still ask for it.
  mutating func skipIDs(of other: FilterTable) { nextID = max(nextID, other.nextID) }

  mutating func remove(_ id: UInt64) -> Bool { filters.removeValue(forKey: id) != nil }

  subscript(id: UInt64) -> Filter? { filters[id] }

  /// What a filter holds since it was last asked; afterwards everything up to a height is seen.
  mutating func drain(_ id: UInt64, height: UInt64) -> Filter? {
    guard let filter = filters[id] else { return nil }
    uses += 1
    filters[id] = Filter(kind: filter.kind, seen: max(height, filter.seen), lastUse: uses)
    return filter
  }

  /// Whether a filter is for pending transactions.
  var hasPendingTransactionFilter: Bool {
    filters.values.contains { if case .pendingTransactions = $0.kind { true } else { false } }
  }

  /// A transaction waits for a block, and for no other transaction.
  mutating func transactionIsReady(_ sent: RecoveredTransaction) {
    for (id, filter) in filters {
      guard case .pendingTransactions = filter.kind else { continue }
      filters[id]?.transactions.appendDroppingFirst(sent, limit: Self.maximumEntries)
    }
  }

  /// Blocks were undone: their heights count as unseen, and logs seen in them are taken back.
  mutating func blocksWereRemoved(_ blocks: [Block]) {
    guard let lowest = blocks.map(\.number).min() else { return }
    for (id, filter) in filters {
      if case .logs(let arguments) = filter.kind {
        for block in blocks where block.number <= filter.seen {
          for var log in arguments.query.matches(in: block) {
            log.isRemoved = true
            filters[id]?.removed.appendDroppingFirst(log, limit: Self.maximumEntries)
          }
        }
      }
      filters[id]?.seen = min(filter.seen, lowest - 1)
    }
  }
}

extension Array {
  /// Appends an element; when there are twice as many as the limit, all but the latest go, so that
  /// each costs the same on average.
  fileprivate mutating func appendDroppingFirst(_ element: Element, limit: Int) {
    append(element)
    if count >= 2 * limit { removeFirst(count - limit) }
  }
}

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
