import EthereumPrimitives
import PlumiseWire

/// The arguments of a request, by position.
struct RPCArguments {
  private let values: [JSON]

  init(_ values: [JSON]) { self.values = values }

  var count: Int { values.count }

  /// An argument that may be left out or null.
  func optional(_ position: Int) -> RPCValue? {
    guard position < values.count, values[position] != .null else { return nil }
    return RPCValue(json: values[position], position: position)
  }

  /// An argument that must be there.
  func required(_ position: Int) throws -> RPCValue {
    guard let value = optional(position) else { throw RPCFailure.missingArgument(position) }
    return value
  }

  func address(_ position: Int) throws -> Address { try required(position).address() }
  func hash(_ position: Int) throws -> Hash32 { try required(position).hash() }
  func block(_ position: Int) throws -> BlockReference { try required(position).blockReference() }
}
