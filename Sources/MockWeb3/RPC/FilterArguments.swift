import EthereumPrimitives
import PlumiseWire

/// The object that eth_getLogs and eth_newFilter take.
struct FilterArguments: Sendable {
  /// The most positions that a log has topics in.
  private static let maximumTopics = 4

  var blockHash: Hash32?
  var from: BlockTag?
  var to: BlockTag?
  var query = LogQuery()

  init(_ value: RPCValue) throws {
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

  private static func oneOrMany(_ value: RPCValue) throws -> [RPCValue] {
    guard case .array(let values) = value.json else { return [value] }
    return values.filter { $0 != .null }.map {
      RPCValue(json: $0, position: value.position, field: value.field)
    }
  }

  /// What geth says of a range that it does not take.
  static let invalidRange = RPCFailure.refused("invalid block range params")

  /// Whether a filter can follow the chain in this range (geth's `SubscribeLogs`): to what comes
  /// from now on, or between two heights.
  var canBeFollowed: Bool {
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
