/// The answer to one call of JSON-RPC 2.0.
public struct RPCResponse: Hashable, Sendable {
  /// The id of the call, with its type; null when the call could not be read.
  public let id: JSON
  /// What the call gave.
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
  /// - Throws: `RPCReplyError` when it is none.
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

/// What a JSON-RPC server answers: one answer, or those of a batch.
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

  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .notJSON(let error): "the server's reply is \(error)"
    case .notAResponse(let value): "the server's reply is no JSON-RPC answer: \(value)"
    }
  }
}
