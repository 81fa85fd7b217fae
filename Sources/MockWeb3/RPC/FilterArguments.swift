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

  /// The logs of the chain as it is.
  func logs(on chain: Chain) throws -> [MinedLog] {
    if let blockHash {
      guard let block = chain.history[blockHash] else { throw RPCFailure.refused("unknown block") }
      return query.matches(in: block)
    }
    let (first, last) = (height(from, on: chain), height(to, on: chain))
    guard first <= last else {
      // Only two numbers can contradict each other; a name always follows the chain.
      if case .number = from, case .number = to {
        throw RPCFailure.refused("invalid block range params")
      }
      return []
    }
    guard first <= chain.latest.number else { return [] }
    return (first...min(last, chain.latest.number)).flatMap { number in
      guard chain.history.mayMatch(query, at: number) else { return [MinedLog]() }
      return chain.history[number].map { query.matches(in: $0) } ?? []
    }
  }

  private func height(_ tag: BlockTag?, on chain: Chain) -> UInt64 {
    switch tag {
    case .number(let number): number
    case .earliest: 0
    case .latest, .pending, nil: chain.latest.number
    }
  }
}
