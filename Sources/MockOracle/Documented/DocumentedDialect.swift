import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire

/// The documented dialect's answers (Wire.md, documented dialect).
enum DocumentedDialect {
  /// The answer to a report that was taken.
  static let received = WebResponse.json(
    (["status": "success", "message": "Report received"] as JSON).serialized())

  /// The answer to a report that was not taken.
  static func answer(to refusal: Refusal) -> WebResponse {
    var body: JSONObject = ["status": "error", "message": .string(message(for: refusal))]
    if case .invalid(let faults) = refusal {
      body["detail"] = .array(
        faults.map { ["path": .string($0.path), "message": .string($0.message)] })
    }
    var response = WebResponse.json(
      JSON.object(body).serialized(), status: status(of: refusal))
    if case .tooManyReports(_, let seconds) = refusal {
      response.headers[.retryAfter] = String(seconds)
    }
    return response
  }

  /// The answer where there is no such route.
  static func notFound(_ request: WebRequest) -> WebResponse {
    error("no route \(request.method.rawValue) \(request.path)", status: .notFound)
  }

  /// The answer to a known path that is asked for in a wrong way.
  static func methodNotAllowed(_ request: WebRequest, allowed: String) -> WebResponse {
    var response = error(
      "\(request.path) answers \(allowed) only", status: .methodNotAllowed)
    response.headers[.allow] = allowed
    return response
  }

  static func error(_ message: String, status: HTTPResponse.Status) -> WebResponse {
    .json(
      (["status": "error", "message": .string(message)] as JSON).serialized(), status: status)
  }

  private static func message(for refusal: Refusal) -> String {
    switch refusal {
    case .invalid(let faults):
      "Validation failed: " + faults.map { "\($0.path) \($0.message)" }.joined(separator: "; ")
    case .wrongSigner, .malformedSignature, .wrongAPIKey: "Invalid signature: \(refusal)"
    case .unregistered, .registrationUnknown: "Agent not registered: \(refusal)"
    case .replay: "Replay detected: \(refusal)"
    case .outsideWindow: "Stale report: \(refusal)"
    case .malformed: "Malformed JSON: \(refusal)"
    case .tooLarge: "Body too large: \(refusal)"
    case .tooManyReports: "Too many requests: \(refusal)"
    case .epochUnknown, .tooManyTokens, .notWhole, .notStored, .registrationReplay,
      .sameEndpoints, .pipelineFull, .pipelineNodeNotFound, .sponsoringFailed:
      refusal.description
    }
  }

  private static func status(of refusal: Refusal) -> HTTPResponse.Status {
    switch refusal {
    case .tooLarge: .contentTooLarge
    case .malformed: .badRequest
    case .invalid, .tooManyTokens, .notWhole: .unprocessableContent
    case .wrongSigner, .malformedSignature, .wrongAPIKey: .unauthorized
    case .unregistered: .forbidden
    case .registrationUnknown, .epochUnknown: .serviceUnavailable
    case .replay, .outsideWindow, .registrationReplay: .conflict
    case .sameEndpoints, .pipelineFull, .pipelineNodeNotFound, .sponsoringFailed: .badRequest
    case .notStored: .internalServerError
    case .tooManyReports: .tooManyRequests
    }
  }
}
