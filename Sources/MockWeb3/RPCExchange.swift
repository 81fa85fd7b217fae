public import PlumiseWire

/// A request that the chain answered: an entry of its journal.
public struct RPCExchange: Sendable {
  /// The JSON-RPC method.
  public let method: String
  /// The arguments.
  public let parameters: [JSON]
  /// The result, or the error that was answered.
  public let outcome: Result<JSON, RPCFailure>

  /// About how many bytes it takes.
  var approximateBytes: Int {
    let answer =
      switch outcome {
      case .success(let result): result.approximateBytes
      case .failure(let failure): failure.message.utf8.count
      }
    return 128 + parameters.reduce(answer) { $0 + $1.approximateBytes }
  }
}

extension JSON {
  fileprivate var approximateBytes: Int {
    switch self {
    case .null, .bool, .number: 32
    case .string(let text): 32 + text.utf8.count
    case .array(let elements): elements.reduce(32) { $0 + $1.approximateBytes }
    case .object(let object):
      object.members.reduce(32) { $0 + 32 + $1.key.utf8.count + $1.value.approximateBytes }
    }
  }
}
