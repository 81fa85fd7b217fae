import EthereumPrimitives

/// An error that a JSON-RPC server answers with.
public struct RPCFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The number that tells its kind.
  public let code: Int
  /// What went wrong, for people.
  public let message: String
  /// More of it, for programs.
  public let data: JSON?

  /// A failure of its parts.
  public init(code: Int, message: String, data: JSON? = nil) {
    self.code = code
    self.message = message
    self.data = data
  }

  /// The failure as it is sent.
  public var json: JSON {
    var object: JSONObject = ["code": .integer(code), "message": .string(message)]
    object["data"] = data
    return .object(object)
  }

  /// Reads a failure, or nil when the value is none.
  public init?(json: JSON) {
    guard let code = json["code"]?.integerValue, let message = json["message"]?.stringValue
    else { return nil }
    self.init(code: Int(code), message: message, data: json["data"])
  }

  /// The message and the code.
  public var description: String { "\(message) (code \(code))" }
}

// The words and numbers are go-ethereum's, which clients match.
extension RPCFailure {
  /// The body is not JSON.
  public static let parseError = RPCFailure(code: -32700, message: "parse error")
  /// The value is no request.
  public static let invalidRequest = RPCFailure(code: -32600, message: "invalid request")
  /// The batch has no request.
  public static let emptyBatch = RPCFailure(code: -32600, message: "empty batch")
  /// The parameters are not in an array.
  public static let nonArrayParameters = RPCFailure(code: -32602, message: "non-array args")

  /// There is no such method.
  public static func methodNotFound(_ method: String) -> RPCFailure {
    RPCFailure(code: -32601, message: "the method \(method) does not exist/is not available")
  }

  /// The argument at a place, counted from 0, is missing.
  public static func missingArgument(_ index: Int) -> RPCFailure {
    RPCFailure(code: -32602, message: "missing value for required argument \(index)")
  }

  /// The argument at a place, counted from 0, is wrong; why.
  public static func invalidArgument(_ index: Int, _ reason: String) -> RPCFailure {
    RPCFailure(code: -32602, message: "invalid argument \(index): \(reason)")
  }

  /// There are more arguments than the method takes.
  public static func tooManyArguments(atMost count: Int) -> RPCFailure {
    RPCFailure(code: -32602, message: "too many arguments, want at most \(count)")
  }

  /// The server refuses what the request asks for; why.
  public static func refused(_ reason: String) -> RPCFailure {
    RPCFailure(code: -32000, message: reason)
  }

  /// A contract reverted, with a reason or without; the data is what it returned.
  public static func reverted(reason: String?) -> RPCFailure {
    guard let reason else {
      return RPCFailure(code: 3, message: "execution reverted", data: "0x")
    }
    return RPCFailure(
      code: 3, message: "execution reverted: \(reason)",
      data: .string(Hex.encode(ABI.encodeError(reason))))
  }

  /// The reason of a revert, when the failure is one and gives it.
  public var revertReason: String? {
    guard code == 3, let text = data?.stringValue, let bytes = try? Hex.decode(text) else {
      // Data that is no byte string holds no reason.
      return nil
    }
    return ABI.decodeError(bytes)
  }
}
