public import PlumiseWire

/// A request that the chain answered: an entry of its journal.
public struct RPCExchange: Sendable {
  /// The JSON-RPC method.
  public let method: String
  /// The arguments.
  public let parameters: [JSON]
  /// The result, or the error that was answered.
  public let outcome: Result<JSON, RPCFailure>
}
