import EVM
import EthereumPrimitives
import MockServing
import PlumiseWire
import Synchronization

/// What happened to the chain, for those who subscribed to it.
enum ChainNews {
  /// A block was made.
  case block(Block)
  /// Blocks were undone, the latest first.
  case removed([Block])
  /// A transaction waits for a block, and for no other transaction.
  case ready(RecoveredTransaction)
}

/// What happened to the chain and was not published yet.
struct ChainNewsLog {
  /// Whether anybody subscribed; nothing is noted before.
  var isWanted = false
  private var entries: [ChainNews] = []

  mutating func add(_ news: ChainNews) {
    if isWanted { entries.append(news) }
  }

  mutating func take() -> [ChainNews] {
    guard !entries.isEmpty else { return [] }
    defer { entries = [] }
    return entries
  }
}

/// Who asked over a connection that can be notified.
struct RPCSubscriber: Sendable {
  let id: ObjectIdentifier
  let push: @Sendable ([UInt8]) -> Void

  init(_ peer: WebSocketPeer) {
    id = ObjectIdentifier(peer)
    push = { peer.push(WebSocketMessage(.text, $0)) }
  }
}

/// The subscriptions of all connections (`eth_subscribe`), in the shapes and words of go-ethereum
/// 1.13.15 (`rpc/handler.go`, `eth/filters/api.go`).
final class SubscriptionTable: Sendable {
  enum Kind: Sendable {
    case newHeads
    case logs(FilterArguments)
    /// Whole transactions, or their hashes.
    case pendingTransactions(whole: Bool)
    /// Never notifies: this chain is never behind.
    case syncing
  }

  private struct Subscription {
    let kind: Kind
    let subscriber: RPCSubscriber
  }

  private struct State {
    var latest: UInt64 = 0
    /// By number, which is also the order in which they are notified.
    var open: [UInt64: Subscription] = [:]
  }

  private let state = Mutex(State())

  /// How many subscriptions are open.
  var count: Int { state.withLock { $0.open.count } }

  func add(_ kind: Kind, for subscriber: RPCSubscriber) -> String {
    state.withLock { state in
      state.latest += 1
      state.open[state.latest] = Subscription(kind: kind, subscriber: subscriber)
      return Quantity.encode(state.latest)
    }
  }

  /// Ends a subscription of a connection.
  /// - Returns: whether the connection had it.
  func remove(_ id: String, of subscriber: RPCSubscriber?) -> Bool {
    state.withLock { state in
      guard let number = UInt64(id.dropFirst(2), radix: 16), Quantity.encode(number) == id,
        let subscriber, state.open[number]?.subscriber.id == subscriber.id
      else { return false }
      state.open[number] = nil
      return true
    }
  }

  /// Ends all subscriptions of a connection.
  func removeAll(of subscriber: ObjectIdentifier) {
    state.withLock { state in
      state.open = state.open.filter { $0.value.subscriber.id != subscriber }
    }
  }

  /// Notifies everyone who subscribed to it.
  func publish(_ news: ChainNews) {
    let open = state.withLock { $0.open }
    for (number, subscription) in open.sorted(by: { $0.key < $1.key }) {
      for result in subscription.kind.results(of: news) {
        let notification: JSON = [
          "jsonrpc": "2.0", "method": "eth_subscription",
          "params": ["subscription": .quantity(number), "result": result],
        ]
        subscription.subscriber.push(notification.serialized())
      }
    }
  }
}

extension SubscriptionTable.Kind {
  /// What is sent about some news, one notification each.
  fileprivate func results(of news: ChainNews) -> [JSON] {
    switch (self, news) {
    case (.newHeads, .block(let block)): [block.headerJSON]
    case (.logs(let filter), .block(let block)):
      filter.covers(block.number) ? filter.query.matches(in: block).map(\.json) : []
    case (.logs(let filter), .removed(let blocks)):
      blocks.filter { filter.covers($0.number) }.flatMap { block in
        filter.query.matches(in: block).map { log in
          var log = log
          log.isRemoved = true
          return log.json
        }
      }
    case (.pendingTransactions(let whole), .ready(let sent)):
      [whole ? sent.json(place: nil) : .hash(sent.hash)]
    default: []
    }
  }

  /// The subscription that the arguments of `eth_subscribe` name.
  init(_ arguments: GethArguments, namespace: String) throws {
    guard arguments.count > 0, case .string(let name)? = arguments.optional(0)?.json else {
      throw RPCFailure(
        code: -32602, message: "expected subscription name as first argument")
    }
    let maximum: Int
    switch name {
    case "newHeads", "syncing": maximum = 1
    case "logs", "newPendingTransactions": maximum = 2
    default: maximum = 0
    }
    guard namespace == "eth", maximum > 0 else {
      throw RPCFailure(
        code: -32601, message: "no \(JSON.string(name).text) subscription in \(namespace) namespace"
      )
    }
    guard arguments.count <= maximum else { throw RPCFailure.tooManyArguments(atMost: maximum) }
    switch name {
    case "logs":
      let filter = try FilterArguments(arguments.required(1))
      guard filter.isSubscribable else { throw FilterArguments.invalidRange }
      self = .logs(filter)
    case "newPendingTransactions":
      self = .pendingTransactions(whole: try arguments.optional(1)?.bool() ?? false)
    case "syncing": self = .syncing
    default: self = .newHeads
    }
  }
}

extension MockWeb3 {
  /// Answers `eth_subscribe` and `eth_unsubscribe`; nil for any other method.
  /// - Parameter subscriber: who asks; nil over HTTP, where nobody can be notified.
  func subscriptionResult(
    of request: RPCRequest, for subscriber: RPCSubscriber?
  ) throws -> JSON? {
    let arguments = GethArguments(request.params)
    if request.method.hasSuffix("_subscribe") {
      guard let subscriber else { throw RPCFailure.noNotifications }
      let namespace = request.method.prefix { $0 != "_" }
      let kind = try SubscriptionTable.Kind(arguments, namespace: String(namespace))
      return change { chain in
        chain.news.isWanted = true
        return .string(subscriptions.add(kind, for: subscriber))
      }
    }
    guard request.method.hasSuffix("_unsubscribe") else { return nil }
    guard arguments.count <= 1 else { throw RPCFailure.tooManyArguments(atMost: 1) }
    guard subscriptions.remove(try arguments.required(0).string(), of: subscriber) else {
      throw RPCFailure.refused("subscription not found")
    }
    return true
  }
}

extension Block {
  /// The header as `newHeads` shows it: the fields of forks later than its own are null.
  var headerJSON: JSON {
    [
      "parentHash": .hash(header.parentHash),
      "sha3Uncles": .hash(BlockHeader.noUncles),
      "miner": .address(header.coinbase),
      "stateRoot": .hash(header.stateRoot),
      "transactionsRoot": .hash(header.transactionsRoot),
      "receiptsRoot": .hash(header.receiptsRoot),
      "logsBloom": .hex(header.logsBloom),
      "difficulty": .quantity(header.difficulty),
      "number": .quantity(number),
      "gasLimit": .quantity(header.gasLimit),
      "gasUsed": .quantity(header.gasUsed),
      "timestamp": .quantity(header.timestamp),
      "extraData": .hex(header.extraData),
      "mixHash": .hash(.zero),
      "nonce": "0x0000000000000000",
      "baseFeePerGas": .quantity(header.baseFeePerGas),
      "withdrawalsRoot": header.fork >= .shanghai ? .hash(BlockHeader.noWithdrawals) : nil,
      "blobGasUsed": header.fork >= .cancun ? "0x0" : nil,
      "excessBlobGas": header.fork >= .cancun ? "0x0" : nil,
      "parentBeaconBlockRoot": header.fork >= .cancun ? .hash(.zero) : nil,
      "hash": .hash(hash),
    ]
  }
}
