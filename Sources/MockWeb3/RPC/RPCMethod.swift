import EthereumPrimitives
import PlumiseWire

/// What a request does to the chain, at a time in seconds since 1970.
typealias ChainOperation = @Sendable (inout Chain, UInt64) throws -> JSON

/// A method: decodes its arguments without the chain, and returns an operation on the chain.
struct RPCMethod: Sendable {
  let maximumArguments: Int
  let prepare: @Sendable (GethArguments) throws -> ChainOperation

  init(
    arguments maximum: Int = 0,
    _ prepare: @escaping @Sendable (GethArguments) throws -> ChainOperation
  ) {
    maximumArguments = maximum
    self.prepare = prepare
  }

  /// A method that asks the chain and has no arguments.
  static func plain(_ run: @escaping ChainOperation) -> RPCMethod { RPCMethod { _ in run } }

  /// The method of a name.
  static func named(_ name: String) throws -> RPCMethod {
    if let method = table[name] { return method }
    throw RPCFailure.methodNotFound(name)
  }

  static let table: [String: RPCMethod] = {
    var table: [String: RPCMethod] = [:]
    let namespaces = [
      NetMethods.table, EthChainMethods.table, EthStateMethods.table, EthCallMethods.table,
      EthBlockMethods.table, EthTransactionMethods.table, EthFilterMethods.table,
      AccountMethods.table, TypedDataMethods.table, RawBlockMethods.table,
      TxPoolMethods.table, CliqueMethods.table,
      AgentMethods.table, TestMethods.table, PlumiseMethods.table, DebugMethods.table,
    ]
    for namespace in namespaces {
      table.merge(namespace) { _, _ in preconditionFailure("a method belongs to one namespace") }
    }
    return table
  }()

  /// The namespaces, for rpc_modules.
  static let namespaces = Set(
    table.keys.compactMap { $0.split(separator: "_").first }.map(String.init))
}

extension MockWeb3 {
  /// Every JSON-RPC method that the chain has, with the most arguments that it takes.
  package static var methods: [String: Int] { RPCMethod.table.mapValues(\.maximumArguments) }
}

extension Chain {
  /// The block that a reference names, or nil.
  func block(_ reference: BlockReference, now: UInt64) -> Block? {
    switch reference {
    case .hash(let hash): history[hash]
    case .tag(.latest), .tag(.safe), .tag(.finalized): latest
    case .tag(.earliest): history[0 as UInt64]
    case .tag(.number(let number)): history[number]
    case .tag(.pending): pendingBlock(now: now).block
    }
  }

  /// The state that a reference names.
  /// - Throws: geth's words when there is no such block, or its state is no longer kept.
  func view(_ reference: BlockReference, now: UInt64) throws -> View {
    if reference == .tag(.pending) {
      let pending = pendingBlock(now: now)
      return View(state: pending.state, block: pending.block)
    }
    guard let block = block(reference, now: now) else {
      if case .hash = reference { throw RPCFailure.refused("header for hash not found") }
      throw RPCFailure.refused("header not found")
    }
    // What tests changed since the latest block belongs to the latest state.
    if block.number == latest.number { return View(state: state, block: block) }
    guard let state = history.visibleState(after: block.number) else {
      throw RPCFailure.refused(
        "missing trie node \(block.header.stateRoot.hex.dropFirst(2)) (path ) state "
          + "\(block.header.stateRoot.hex) is not available, not found")
    }
    return View(state: state, block: block)
  }
}

extension JSON {
  /// A quantity.
  static func quantity(_ value: UInt64) -> JSON { .string(Quantity.encode(value)) }
  /// A quantity.
  static func quantity(_ value: Word) -> JSON { .string(Quantity.encode(value)) }
  /// Bytes in hexadecimal.
  static func hex(_ bytes: [UInt8]) -> JSON { .string(Hex.encode(bytes)) }
  /// An address in lower case.
  static func address(_ address: Address) -> JSON { .string(address.lowercaseHex) }
  /// A hash.
  static func hash(_ hash: Hash32) -> JSON { .string(hash.hex) }
}

/// Errors that only a chain has, in the words of go-ethereum 1.13.15.
extension RPCFailure {
  static let batchTooLarge = RPCFailure(code: -32600, message: "batch too large")

  /// What the calls of a batch get after answers that are too long together.
  static let responseTooLarge = RPCFailure(code: -32003, message: "response too large")

  /// What a transaction with blobs gets that somebody is to sign.
  static let blobsNotSupported = RPCFailure.refused("signing blob transactions not supported")

  /// What subscriptions get over HTTP.
  static let noNotifications = RPCFailure(code: -32601, message: "notifications not supported")

  /// A call that was reverted; the data is what the program gave as its reason.
  ///
  /// The message has the reason of `Error(string)` and the meaning of `Panic(uint256)`.
  static func reverted(_ revert: Revert) -> RPCFailure {
    guard !revert.output.isEmpty else { return .reverted(reason: nil) }
    let reason = RevertReason(revert.output).map { ": \($0.text)" } ?? ""
    return RPCFailure(
      code: 3, message: "execution reverted\(reason)", data: .hex(revert.output))
  }

  /// Any error as one of JSON-RPC.
  init(_ error: any Error) {
    switch error {
    case let failure as RPCFailure: self = failure
    case let refusal as PoolError: self = .refused("\(refusal)")
    case let error as ForkError: self = .refused("\(error)")
    default: self = RPCFailure(code: -32603, message: "\(error)")
    }
  }
}
