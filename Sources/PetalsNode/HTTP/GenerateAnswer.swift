import HTTPTypes
import PlumiseWire

/// What `POST /api/v1/generate` answers when it does not stream.
enum GenerateAnswer: Sendable {
  /// The text is there.
  case done(GenerationResult)
  /// There is none, and why.
  case refused(any Error)

  /// 200, or what kind of refusal it is.
  var status: HTTPResponse.Status {
    switch self {
    case .done: .ok
    case .refused(is FieldErrors): .unprocessableContent
    case .refused(is JSONError): .badRequest
    case .refused(is BodyTooLong): .contentTooLarge
    case .refused(is RouteError): .serviceUnavailable
    case .refused(let error as NodeError): error.status
    case .refused: .internalServerError
    }
  }

  /// `Retry-After` where another try may help.
  var headers: HTTPFields {
    status == .serviceUnavailable ? [.retryAfter: "1"] : [:]
  }

  /// The result, or `status`, `message` and for fields `detail`.
  var body: JSON {
    switch self {
    case .done(let result): result.json
    case .refused(let error as FieldErrors):
      [
        "status": "error", "message": "the request cannot be taken",
        "detail": .array(error.errors.map(\.json)),
      ]
    case .refused(is BodyTooLong):
      .failure("the body is longer than \(NodeAPI.bodyLimit) bytes")
    case .refused(let error as NodeError) where error.status == .unprocessableContent:
      [
        "status": "error", "message": .string(error.message),
        "detail": .array([
          FieldError(path: ["inputs"], message: error.message, type: "value_error").json
        ]),
      ]
    case .refused(let error): .failure("\(error)")
    }
  }
}

extension GenerationResult {
  /// `generated_text`, `num_tokens` and `latency_ms` (Wire.md, Nodes).
  var json: JSON {
    [
      "generated_text": .string(text ?? ""),
      "num_tokens": .number(JSONNumber(generatedIDs.count)),
      "latency_ms": .number(JSONNumber(python: duration.hundredthsOfMilliseconds)),
    ]
  }
}

extension NodeError {
  /// The HTTP status of a failure: the request's fault, or the nodes'.
  var status: HTTPResponse.Status {
    switch code {
    case .invalidArgument, .outOfRange: peer == nil ? .unprocessableContent : .badGateway
    case .unavailable, .resourceExhausted, .failedPrecondition: .serviceUnavailable
    case .deadlineExceeded: .gatewayTimeout
    case .unimplemented: .notImplemented
    default: peer == nil ? .internalServerError : .badGateway
    }
  }
}

extension Duration {
  /// Milliseconds with two decimals.
  var hundredthsOfMilliseconds: Double {
    ((self / .milliseconds(1)) * 100).rounded() / 100
  }
}
