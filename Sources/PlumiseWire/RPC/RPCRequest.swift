/// A call of JSON-RPC 2.0.
public struct RPCRequest: Hashable, Sendable {
  /// The id, which the answer repeats with its type; nil in a notification, which gets no answer.
  public let id: JSON?
  /// The method's name.
  public let method: String
  /// The arguments in order.
  public let params: [JSON]

  /// A call, or without id a notification.
  public init(id: JSON?, method: String, params: [JSON] = []) {
    self.id = id
    self.method = method
    self.params = params
  }

  /// Whether the caller wants no answer.
  public var isNotification: Bool { id == nil }

  /// The request as it is sent.
  public var json: JSON {
    var object: JSONObject = ["jsonrpc": "2.0"]
    object["id"] = id
    object["method"] = .string(method)
    object["params"] = .array(params)
    return .object(object)
  }

  /// Reads one request.
  ///
  /// - Throws: `RPCFailure.invalidRequest` when it is no request, or its parameters are no array.
  public init(json: JSON) throws(RPCFailure) {
    guard let object = json.objectValue, object["jsonrpc"] == "2.0",
      let method = object["method"]?.stringValue
    else { throw .invalidRequest }
    switch object["id"] {
    case .array, .object, .bool: throw .invalidRequest
    case let id: self.id = id
    }
    switch object["params"] {
    case nil, .null: params = []
    case .array(let values): params = values
    default: throw .nonArrayParameters
    }
    self.method = method
  }
}

/// A message to a JSON-RPC server: one request, or a batch.
public enum RPCIncoming: Hashable, Sendable {
  /// An element of a message: a request, or the error to answer it with.
  public enum Element: Hashable, Sendable {
    /// A request.
    case request(RPCRequest)
    /// No request; the answer that says so.
    case invalid(RPCResponse)
  }

  /// One request.
  case single(Element)
  /// Several requests, never none.
  case batch([Element])

  /// Reads a body.
  ///
  /// A body that is not JSON, and an empty batch, are invalid single elements: they have one answer.
  public init(_ bytes: some Collection<UInt8>) {
    do {
      switch try JSON.parse(bytes) {
      case .array(let values) where values.isEmpty:
        self = .single(.invalid(RPCResponse(id: .null, failure: .emptyBatch)))
      case .array(let values): self = .batch(values.map(Self.element))
      case let value: self = .single(Self.element(value))
      }
    } catch {
      self = .single(.invalid(RPCResponse(id: .null, failure: .parseError)))
    }
  }

  private static func element(_ value: JSON) -> Element {
    do { return .request(try RPCRequest(json: value)) } catch {
      // An id that can be repeated is, even if the rest is no request.
      let id: JSON =
        switch value["id"] {
        case .string(let text): .string(text)
        case .number(let number): .number(number)
        default: .null
        }
      return .invalid(RPCResponse(id: id, failure: error))
    }
  }
}
