import EthereumPrimitives
import MockServing
import PlumiseWire

extension WebRequest {
  /// The agent that the body names, in the words of either dialect; nil for what is no JSON, or
  /// names none.
  var namedAgent: Address? {
    guard let body = try? JSON.parse(body) else { return nil }
    let named = body["payload"]?["agent"] ?? body["wallet"] ?? body["address"]
    return named?.stringValue.flatMap { try? Address($0) }
  }
}
