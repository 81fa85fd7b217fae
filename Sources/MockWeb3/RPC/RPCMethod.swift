import PlumiseWire

/// What a request does to the chain, at a time in seconds since 1970.
typealias ChainOperation = @Sendable (inout Chain, UInt64) throws -> JSON

/// A method: reads its arguments without the chain, and says what is to be done with it.
struct RPCMethod: Sendable {
  let maximumArguments: Int
  let prepare: @Sendable (RPCArguments) throws -> ChainOperation

  init(
    arguments maximum: Int = 0,
    _ prepare: @escaping @Sendable (RPCArguments) throws -> ChainOperation
  ) {
    maximumArguments = maximum
    self.prepare = prepare
  }

  /// A method that asks the chain and has no arguments.
  static func plain(_ run: @escaping ChainOperation) -> RPCMethod { RPCMethod { _ in run } }

  /// The method of a name.
  static func named(_ name: String) throws -> RPCMethod {
    if let method = table[name] { return method }
    throw name.hasSuffix("_subscribe") || name.hasSuffix("_unsubscribe")
      ? RPCFailure.noNotifications : RPCFailure.methodNotFound(name)
  }

  static let table: [String: RPCMethod] = {
    var table: [String: RPCMethod] = [:]
    let namespaces = [
      NetMethods.table, EthChainMethods.table, EthStateMethods.table, EthCallMethods.table,
      EthBlockMethods.table, EthTransactionMethods.table, EthFilterMethods.table,
      TxPoolMethods.table,
      AgentMethods.table, TestMethods.table, PlumiseMethods.table,
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
