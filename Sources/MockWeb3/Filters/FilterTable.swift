import EthereumPrimitives

/// The filters that clients poll: what is new since they last asked.
struct FilterTable {
  enum Kind {
    case blocks
    case pendingTransactions
    case logs(FilterArguments)
  }

  struct Filter {
    let kind: Kind
    /// The height up to which the client has seen everything.
    var seen: UInt64
    /// Transactions that came since; only for pending transactions.
    var transactions: [Hash32] = []
    /// Logs of blocks that were undone since; only for logs.
    var removed: [MinedLog] = []
  }

  private var nextID: UInt64 = 1
  private var filters: [UInt64: Filter] = [:]

  mutating func add(_ kind: Kind, height: UInt64) -> UInt64 {
    defer { nextID += 1 }
    filters[nextID] = Filter(kind: kind, seen: height)
    return nextID
  }

  mutating func remove(_ id: UInt64) -> Bool { filters.removeValue(forKey: id) != nil }

  subscript(id: UInt64) -> Filter? { filters[id] }

  /// What a filter holds since it was last asked; afterwards everything up to a height is seen.
  mutating func drain(_ id: UInt64, height: UInt64) -> Filter? {
    guard let filter = filters[id] else { return nil }
    filters[id]?.seen = max(height, filter.seen)
    filters[id]?.transactions = []
    filters[id]?.removed = []
    return filter
  }

  mutating func transactionArrived(_ hash: Hash32) {
    for (id, filter) in filters {
      guard case .pendingTransactions = filter.kind else { continue }
      filters[id]?.transactions.append(hash)
    }
  }

  /// Blocks were undone: their heights count as unseen, and logs seen in them are taken back.
  mutating func blocksWereRemoved(_ blocks: [Block]) {
    guard let lowest = blocks.map(\.number).min() else { return }
    for (id, filter) in filters {
      if case .logs(let arguments) = filter.kind {
        for block in blocks where block.number <= filter.seen {
          filters[id]?.removed += arguments.query.matches(in: block).map { log in
            var log = log
            log.isRemoved = true
            return log
          }
        }
      }
      filters[id]?.seen = min(filter.seen, lowest - 1)
    }
  }
}
