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
      guard filter.isSubscribable else { throw FilterArguments.invalidRange }
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
  private static func filterID(_ arguments: GethArguments) throws -> UInt64 {
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
  func covers(_ height: UInt64) -> Bool {
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

/// The object that eth_getLogs and eth_newFilter take.
struct FilterArguments: Sendable {
  /// The most positions that a log has topics in.
  private static let maximumTopics = 4

  var blockHash: Hash32?
  var from: BlockTag?
  var to: BlockTag?
  var query = LogQuery()

  init(_ value: GethValue) throws {
    let fields = try value.fields(of: "filters.FilterCriteria")
    blockHash = try fields["blockHash"]?.hash()
    from = try fields["fromBlock"]?.blockTag()
    to = try fields["toBlock"]?.blockTag()
    if blockHash != nil, from != nil || to != nil {
      throw RPCFailure.invalidArgument(
        value.position,
        "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
    }
    if let address = fields["address"] {
      query.addresses = Set(try Self.oneOrMany(address).map { try $0.address() })
    }
    if let topics = fields["topics"] {
      query.topics = try topics.array().map { position in
        position.json == .null ? [] : Set(try Self.oneOrMany(position).map { try $0.hash() })
      }
      // A null among alternatives makes the position match anything.
      for (index, position) in try topics.array().enumerated() {
        if position.json.arrayValue?.contains(.null) == true { query.topics[index] = [] }
      }
    }
    guard query.topics.count <= Self.maximumTopics else {
      throw RPCFailure.refused("exceed max topics")
    }
  }

  private static func oneOrMany(_ value: GethValue) throws -> [GethValue] {
    guard case .array(let values) = value.json else { return [value] }
    return values.filter { $0 != .null }.map {
      GethValue(json: $0, position: value.position, field: value.field)
    }
  }

  /// What geth says of a range that it does not take.
  static let invalidRange = RPCFailure.refused("invalid block range params")

  /// Whether a filter can follow the chain in this range (geth's `SubscribeLogs`): to what comes
  /// from now on, or between two heights.
  var isSubscribable: Bool {
    switch (from ?? .latest, to ?? .latest) {
    case (.pending, .pending), (.latest, .latest), (.latest, .pending): true
    case (.number, .latest), (.number, .pending), (.earliest, .latest), (.earliest, .pending): true
    case (.number(let first), .number(let last)): first <= last
    case (.number(let first), .earliest): first == 0
    case (.earliest, .number), (.earliest, .earliest): true
    default: false
    }
  }

  /// The logs of the chain as it is, and where the range ends with what is pending, those that the
  /// next block would have (geth's `Filter.Logs`).
  func logs(on chain: Chain, now: UInt64) throws -> [MinedLog] {
    if let blockHash {
      guard let block = chain.history[blockHash] else { throw RPCFailure.refused("unknown block") }
      return query.matches(in: block)
    }
    guard from != .pending || to == .pending else { throw Self.invalidRange }
    let pending =
      to == .pending ? query.matches(in: chain.pendingBlock(now: now).block) : [MinedLog]()
    if from == .pending { return pending }
    let first = height(from, on: chain)
    let last = min(height(to, on: chain), chain.latest.number)
    guard first <= last else { return pending }
    return (first...last).flatMap { number in
      guard chain.history.mayMatch(query, at: number) else { return [MinedLog]() }
      return chain.history[number].map { query.matches(in: $0) } ?? []
    } + pending
  }

  private func height(_ tag: BlockTag?, on chain: Chain) -> UInt64 {
    switch tag {
    case .number(let number): number
    case .earliest: 0
    case .latest, .pending, .safe, .finalized, nil: chain.latest.number
    }
  }
}
