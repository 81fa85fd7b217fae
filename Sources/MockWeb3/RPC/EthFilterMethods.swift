import EthereumPrimitives
import PlumiseWire

/// `eth_`: logs, and filters that are polled.
enum EthFilterMethods {
  static let table: [String: RPCMethod] = [
    "eth_getLogs": RPCMethod(arguments: 1) { arguments in
      let filter = try FilterArguments(arguments.required(0))
      return { chain, now in
        if case .number(let first) = filter.from, case .number(let last) = filter.to,
          first > last, last > 0
        {
          throw FilterArguments.invalidRange
        }
        return .array(try filter.logs(on: chain, now: now).map(\.json))
      }
    },
    "eth_newFilter": RPCMethod(arguments: 1) { arguments in
      let filter = try FilterArguments(arguments.required(0))
      guard filter.canBeFollowed else { throw FilterArguments.invalidRange }
      return { chain, _ in .quantity(chain.addFilter(.logs(filter))) }
    },
    "eth_newBlockFilter": .plain { chain, _ in .quantity(chain.addFilter(.blocks)) },
    "eth_newPendingTransactionFilter": RPCMethod(arguments: 1) { arguments in
      let whole = try arguments.optional(0)?.bool() ?? false
      return { chain, _ in .quantity(chain.addFilter(.pendingTransactions(whole: whole))) }
    },
    "eth_uninstallFilter": RPCMethod(arguments: 1) { arguments in
      let id = try filterID(arguments)
      return { chain, _ in .bool(chain.filters.remove(id)) }
    },
    "eth_getFilterChanges": RPCMethod(arguments: 1) { arguments in
      let id = try filterID(arguments)
      return { chain, _ in
        guard let filter = chain.filters.drain(id, height: chain.latest.number) else {
          throw RPCFailure.refused("filter not found")
        }
        return chain.changes(since: filter)
      }
    },
    "eth_getFilterLogs": RPCMethod(arguments: 1) { arguments in
      let id = try filterID(arguments)
      return { chain, now in
        guard case .logs(let arguments) = chain.filters[id]?.kind else {
          throw RPCFailure.refused("filter not found")
        }
        return .array(try arguments.logs(on: chain, now: now).map(\.json))
      }
    },
  ]

  /// A filter's number; ids are text to geth, so one that is no number is merely unknown.
  private static func filterID(_ arguments: RPCArguments) throws -> UInt64 {
    let text = try arguments.required(0).string()
    let id = UInt64(text.dropFirst(2), radix: 16) ?? 0
    return Quantity.encode(id) == text ? id : 0
  }
}

extension Chain {
  fileprivate mutating func addFilter(_ kind: FilterTable.Kind) -> UInt64 {
    filters.add(kind, height: latest.number)
  }

  /// What is new for a filter.
  fileprivate func changes(since filter: FilterTable.Filter) -> JSON {
    let heights = filter.seen < latest.number ? (filter.seen + 1)...latest.number : nil
    let blocks = heights?.compactMap { history[$0] } ?? []
    switch filter.kind {
    case .blocks: return .array(blocks.map { .hash($0.hash) })
    case .pendingTransactions(let whole):
      return .array(filter.transactions.map { whole ? $0.json(place: nil) : .hash($0.hash) })
    case .logs(let arguments):
      let added = blocks.filter { arguments.covers($0.number) }.flatMap {
        arguments.query.matches(in: $0)
      }
      return .array((filter.removed + added).map(\.json))
    }
  }
}

extension FilterArguments {
  /// Whether a new block lies in the range.
  fileprivate func covers(_ height: UInt64) -> Bool {
    // Without a new block nothing is pending that a sealing node would announce.
    if from == .pending { return false }
    if case .number(let first) = from, height < first { return false }
    switch to {
    case .number(let last): return height <= last
    case .earliest: return height == 0
    default: return true
    }
  }
}
