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
        return .array(try filter.json(on: chain, now: now))
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
        return .array(try arguments.json(on: chain, now: now))
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
  /// The most topics that a position may allow.
  private static let maximumAlternatives = 1000

  var blockHash: Hash32?
  var from: BlockTag?
  var to: BlockTag?
  var query = LogQuery()
  /// The object as it came.
  let criteria: JSON

  init(_ value: GethValue) throws {
    let fields = try value.fields(of: "filters.FilterCriteria")
    criteria = value.json
    blockHash = try fields["blockHash"]?.hash()
    from = try fields["fromBlock"]?.blockTag()
    to = try fields["toBlock"]?.blockTag()
    if blockHash != nil, from != nil || to != nil {
      throw RPCFailure.invalidArgument(
        value.position,
        "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
    }
    if let address = fields["address"] { query.addresses = try Self.addresses(address) }
    guard let topics = try fields["topics"]?.array() else { return }
    guard topics.count <= Self.maximumTopics else { throw topics[0].failure("exceed max topics") }
    query.topics = try topics.map { try Self.alternatives($0) }
  }

  /// One address, or an array of them.
  private static func addresses(_ value: GethValue) throws -> Set<Address> {
    switch value.json {
    case .string(let text):
      return [
        try Address(
          bytes: bytes(text, 20, "address") { value.failure("invalid address: \($0)") })
      ]
    case .array(let values):
      var addresses: Set<Address> = []
      for (index, element) in values.enumerated() {
        guard case .string(let text) = element else {
          throw value.failure("non-string address at index \(index)")
        }
        let decoded = try bytes(text, 20, "address") {
          value.failure("invalid address at index \(index): \($0)")
        }
        addresses.insert(try Address(bytes: decoded))
      }
      return addresses
    default: throw value.failure("invalid addresses in query")
    }
  }

  /// The topics that are allowed in a position; none where any is.
  private static func alternatives(_ position: GethValue) throws -> Set<Hash32> {
    let values: [JSON]
    switch position.json {
    case .null: return []
    case .string: values = [position.json]
    case .array(let alternatives): values = alternatives
    default: throw position.failure("invalid topic(s)")
    }
    guard values.count <= maximumAlternatives else { throw position.failure("exceed max topics") }
    var topics: Set<Hash32> = []
    for value in values {
      // A null among alternatives makes the position match anything, whatever follows.
      if value == .null { return [] }
      guard case .string(let text) = value else { throw position.failure("invalid topic(s)") }
      topics.insert(try Hash32(bytes: bytes(text, 32, "topic", or: position.failure)))
    }
    return topics
  }

  /// Bytes of a fixed count in hexadecimal, with the words of go-ethereum's `hexutil.Decode`.
  private static func bytes(
    _ text: String, _ count: Int, _ what: String, or failure: (String) -> RPCFailure
  ) throws -> [UInt8] {
    guard !text.isEmpty else { throw failure("empty hex string") }
    let bytes: [UInt8]
    do { bytes = try Hex.decode(text, prefix: .anyCase) } catch HexError.missingPrefix {
      throw failure("hex string without 0x prefix")
    } catch HexError.oddLength {
      throw failure("hex string of odd length")
    } catch {
      throw failure("invalid hex string")
    }
    guard bytes.count == count else {
      throw failure(
        "hex has invalid length \(bytes.count) after decoding; expected \(count) for \(what)")
    }
    return bytes
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

  /// The logs as JSON-RPC shows them, on a forked chain with the remote chain's before them.
  func json(on chain: Chain, now: UInt64) throws -> [JSON] {
    let remote = try chain.remoteLogs(self)
    // The block of the fork is in the history without its logs.
    if let blockHash, let fork = chain.state.fork,
      chain.history[blockHash].map({ $0.number <= fork.number }) ?? true
    {
      return remote
    }
    return remote + (try logs(on: chain, now: now).map(\.json))
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
    let first = max(height(from, on: chain), chain.history.first)
    let last = min(height(to, on: chain), chain.latest.number)
    guard first <= last else { return pending }
    return (first...last).flatMap { number in
      guard chain.history.mayMatch(query, at: number) else { return [MinedLog]() }
      return chain.history[number].map { query.matches(in: $0) } ?? []
    } + pending
  }

  func height(_ tag: BlockTag?, on chain: Chain) -> UInt64 {
    switch tag {
    case .number(let number): number
    case .earliest: 0
    case .latest, .pending, .safe, .finalized, nil: chain.latest.number
    }
  }
}
