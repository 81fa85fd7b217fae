import EthereumPrimitives
import PlumiseWire

/// Errors that only a chain has, in the words of go-ethereum 1.13.15.
extension RPCFailure {
  static let batchTooLarge = RPCFailure(code: -32600, message: "batch too large")

  /// What subscriptions get over HTTP.
  static let noNotifications = RPCFailure(code: -32601, message: "notifications not supported")

  /// A call that was reverted; the data is what the program gave as its reason.
  static func reverted(_ revert: Revert) -> RPCFailure {
    let message = revert.reason.map { "execution reverted: \($0)" } ?? "execution reverted"
    return RPCFailure(code: 3, message: message, data: .string(Hex.encode(revert.output)))
  }

  /// Any error as one of JSON-RPC.
  init(_ error: any Error) {
    switch error {
    case let failure as RPCFailure: self = failure
    case let refusal as PoolError: self = .refused("\(refusal)")
    default: self = RPCFailure(code: -32603, message: "\(error)")
    }
  }
}
