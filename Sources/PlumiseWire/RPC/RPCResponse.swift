import EthereumPrimitives

/// The answer to one call of JSON-RPC 2.0.
public struct RPCResponse: Hashable, Sendable {
  /// The id of the call, with its type; null when the call could not be read.
  public let id: JSON
  /// The result or the error of the call.
  public let outcome: Result<JSON, RPCFailure>

  /// An answer of either kind.
  public init(id: JSON, outcome: Result<JSON, RPCFailure>) {
    self.id = id
    self.outcome = outcome
  }

  /// The answer of a call that succeeded.
  public init(id: JSON, result: JSON) { self.init(id: id, outcome: .success(result)) }

  /// The answer of a call that failed.
  public init(id: JSON, failure: RPCFailure) { self.init(id: id, outcome: .failure(failure)) }

  /// The answer as it is sent.
  public var json: JSON {
    switch outcome {
    case .success(let result): ["jsonrpc": "2.0", "id": id, "result": result]
    case .failure(let failure): ["jsonrpc": "2.0", "id": id, "error": failure.json]
    }
  }

  /// Reads one answer.
  ///
  /// - Throws: `RPCReplyError` for any other value.
  public init(json: JSON) throws(RPCReplyError) {
    guard let object = json.objectValue, object["jsonrpc"] == "2.0" else {
      throw .notAResponse(json)
    }
    let id = object["id"] ?? .null
    switch (object["result"], object["error"]) {
    case (let result?, nil), (let result?, .null): self.init(id: id, result: result)
    case (nil, let error?), (.null, let error?):
      guard let failure = RPCFailure(json: error) else { throw .notAResponse(json) }
      self.init(id: id, failure: failure)
    default: throw .notAResponse(json)
    }
  }
}

/// The answer of a JSON-RPC server: one, or those of a batch.
public enum RPCReply: Hashable, Sendable {
  /// The answer to one call.
  case single(RPCResponse)
  /// The answers to a batch, in any order.
  case batch([RPCResponse])

  /// The reply as it is sent.
  public var json: JSON {
    switch self {
    case .single(let response): response.json
    case .batch(let responses): .array(responses.map(\.json))
    }
  }

  /// Reads a body.
  ///
  /// - Throws: `RPCReplyError` when it is not JSON or holds something else than answers.
  public init(_ bytes: some Collection<UInt8>) throws(RPCReplyError) {
    let value: JSON
    do { value = try JSON.parse(bytes) } catch { throw .notJSON(error) }
    guard case .array(let values) = value else {
      self = .single(try RPCResponse(json: value))
      return
    }
    var responses: [RPCResponse] = []
    for value in values { responses.append(try RPCResponse(json: value)) }
    self = .batch(responses)
  }
}

/// Why a body is no reply of a JSON-RPC server.
public enum RPCReplyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The body is not JSON.
  case notJSON(JSONError)
  /// The value is no answer.
  case notAResponse(JSON)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .notJSON(let error): "the server's reply is \(error)"
    case .notAResponse(let value): "the server's reply is no JSON-RPC answer: \(value)"
    }
  }
}

/// An error that a JSON-RPC server answers with.
public struct RPCFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The error code.
  public let code: Int
  /// The message for people.
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

  /// Reads a failure; nil for any other value.
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

  /// The server refuses the request, for this reason.
  public static func refused(_ reason: String) -> RPCFailure {
    RPCFailure(code: -32000, message: reason)
  }

  /// A contract reverted, with a reason or without; the data is the revert data.
  ///
  /// Without any data it has the code of other refusals, as in go-ethereum 1.13.15
  /// (internal/ethapi, `newRevertError`, which is for reverts with data alone).
  public static func reverted(reason: String?) -> RPCFailure {
    guard let reason else { return .refused(revertMessage) }
    return RPCFailure(
      code: 3, message: "\(revertMessage): \(reason)",
      data: .string(Hex.encode(ABI.encodeError(reason))))
  }

  private static let revertMessage = "execution reverted"

  /// Whether a contract reverted, with data or without.
  public var isRevert: Bool { code == 3 || (code == -32000 && message == Self.revertMessage) }

  /// The reason of a revert, when the failure is one and gives it.
  public var revertReason: String? {
    guard code == 3, let text = data?.stringValue, let bytes = try? Hex.decode(text) else {
      // Data that is no byte string holds no reason.
      return nil
    }
    return ABI.decodeError(bytes)
  }
}
