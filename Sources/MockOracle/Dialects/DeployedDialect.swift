import HTTPTypes
import MockServing
import PlumiseWire

/// The deployed dialect's answers, to the letter (Wire.md, deployed dialect).
enum DeployedDialect {
  /// How far a timestamp may lie from now, in seconds; the limit itself is accepted.
  static let window: Int64 = 60
  /// The most tokens that a report may carry.
  static let mostTokens: Double = 1_000_000_000

  /// The answer to a report that was taken.
  static func recorded(isFirstInEpoch: Bool) -> WebResponse {
    .json(
      ([
        "success": true, "message": "Metrics recorded successfully",
        "shouldReset": .bool(isFirstInEpoch),
      ] as JSON).serialized(), status: .created)
  }

  /// The parts of the deployed oracle, which word their errors differently.
  enum Part {
    case metrics
    case nodes
    case pipeline
  }

  /// The answer to a registration that was taken, with the layers that it brought.
  static func registered(
    _ kind: StoredRegistration.Kind, _ assignment: LayerAssignment?
  ) -> WebResponse {
    let body =
      assignment?.json(success: true, message: kind.success)
      ?? ["success": true, "message": .string(kind.success)]
    return .json(body.serialized(), status: .created)
  }

  /// The answer to a report or a registration that was not taken.
  static func answer(to refusal: RejectionReason, on part: Part = .metrics) -> WebResponse {
    if part == .pipeline, let message = pipelineMessage(for: refusal) {
      return pipelineError(message)
    }
    return switch refusal {
    case .tooLarge:
      .json(
        (["statusCode": 413, "message": "request entity too large"] as JSON).serialized(),
        status: .contentTooLarge)
    case .invalid(let faults):
      error(.array(faults.map { .string($0.message) }), status: .badRequest)
    case .malformed(let reason): error(.string(reason), status: .badRequest)
    case .wrongAPIKey: error("Invalid API key", status: .unauthorized)
    case .wrongSigner, .malformedSignature, .outsideWindow:
      error("Invalid signature", status: .unauthorized)
    case .unregistered:
      error(
        part == .nodes
          ? "Address not registered as agent on-chain" : "Agent not registered on-chain",
        status: .badRequest)
    case .replay, .registrationReplay:
      error("Replay detected: timestamp must be strictly increasing", status: .badRequest)
    case .tooManyTokens: error("Token count exceeds maximum allowed", status: .badRequest)
    case .notWhole: error("Internal server error", status: .badRequest)
    case .registrationUnknown(_, let reason), .epochUnknown(let reason):
      error(.string(reason), status: .serviceUnavailable)
    case .notStored(let reason): error(.string(reason), status: .internalServerError)
    case .tooManyReports(_, let seconds):
      .json(
        (["statusCode": 429, "message": "ThrottlerException: Too Many Requests"] as JSON)
          .serialized(),
        status: .tooManyRequests, headers: [.retryAfter: String(seconds)])
    case .sameEndpoints, .pipelineFull, .pipelineNodeNotFound, .sponsoringFailed:
      error(.string(refusal.description), status: .badRequest)
    }
  }

  /// What the pipeline throws, which is without the error's name; nil for what is answered before
  /// the pipeline is asked.
  private static func pipelineMessage(for refusal: RejectionReason) -> String? {
    switch refusal {
    case .sameEndpoints: "Pipeline nodes must have separate gRPC and HTTP endpoints"
    case .replay, .registrationReplay: "Replay detected: timestamp must be strictly increasing"
    case .wrongSigner, .malformedSignature, .outsideWindow: "Invalid signature"
    case .pipelineNodeNotFound: "Pipeline node not found"
    case .sponsoringFailed(_, let reason): "Sponsor registration failed: \(reason)"
    case .pipelineFull: "No layers left: \(refusal)"
    default: nil
    }
  }

  /// An error of the pipeline.
  static func pipelineError(_ message: String) -> WebResponse {
    .json(
      (["statusCode": 400, "message": .string(message)] as JSON).serialized(),
      status: .badRequest)
  }

  /// The answer to a browser that asks what a script of another origin may do: on any path
  /// everything, with whatever header fields it names.
  static func preflight(_ request: WebRequest) -> WebResponse {
    var headers: HTTPFields = [
      .accessControlAllowOrigin: "*",
      .accessControlAllowMethods: "GET,HEAD,PUT,PATCH,POST,DELETE",
      .vary: "Access-Control-Request-Headers", .contentLength: "0",
    ]
    if let asked = request.headers[.accessControlRequestHeaders], !asked.isEmpty {
      headers[.accessControlAllowHeaders] = asked
    }
    return WebResponse(status: .noContent, headers: headers)
  }

  /// The answer where there is no such route.
  static func notFound(_ request: WebRequest) -> WebResponse {
    error("Cannot \(request.method.rawValue) \(request.path)", status: .notFound)
  }

  static func error(_ message: JSON, status: HTTPResponse.Status) -> WebResponse {
    .json(
      ([
        "message": message, "error": .string(status.reasonPhrase),
        "statusCode": .integer(status.code),
      ] as JSON).serialized(), status: status)
  }
}

/// What a body of the deployed dialect consists of: the rules that it is checked by, from which its
/// description is made too.
struct DeployedForm: Sendable {
  /// One field and its rule.
  struct Field: Sendable {
    let name: String
    let rule: DeployedRule
    /// Whether it may be missing, or null.
    let isOptional: Bool

    init(_ name: String, _ rule: DeployedRule, optional: Bool = false) {
      self.name = name
      self.rule = rule
      isOptional = optional
    }
  }

  let fields: [Field]

  /// Adds what is wrong with an object, in the deployed oracle's words and order: unknown
  /// properties first, then field by field.
  /// - Parameter path: where the object stands, with a point behind it; empty for the body.
  func check(_ object: JSONObject, at path: String = "", into faults: inout FieldValidationErrors) {
    for member in object.members where !fields.contains(where: { $0.name == member.key }) {
      if faults.isFull { return }
      faults.add(path + member.key, "\(path)property \(member.key) should not exist")
    }
    for field in fields {
      let value = object[field.name]
      if field.isOptional, value?.isNull != false { continue }
      field.rule.check(value, field.name, at: path, into: &faults)
    }
  }
}

/// What one field must be, with the deployed oracle's words where it is not (Wire.md, deployed
/// dialect).
///
/// Of a field's rules the one that stands closest to it is reported first.
enum DeployedRule: Sendable {
  /// A number of at least so much.
  case number(least: Int)
  /// An Ethereum address of any case.
  case address
  /// Any text.
  case text
  /// A list of texts.
  case texts
  /// True or false.
  case flag
  /// A URL with its protocol.
  case url
  /// 66 hexadecimal characters.
  case hash
  /// A list of objects of a form.
  case list(DeployedForm)

  fileprivate func check(
    _ value: JSON?, _ name: String, at path: String, into faults: inout FieldValidationErrors
  ) {
    if case .list(let form) = self {
      Self.check(value, name, form: form, into: &faults)
      return
    }
    for message in messages(value, name) { faults.add(path + name, path + message) }
  }

  private func messages(_ value: JSON?, _ name: String) -> [String] {
    switch self {
    case .number(let least): DeployedRules.number(value, name, least: least)
    case .address: DeployedRules.address(value, name)
    case .text: DeployedRules.string(value, name)
    case .texts: DeployedRules.texts(value, name)
    case .flag: value?.boolValue == nil ? ["\(name) must be a boolean value"] : []
    case .url: DeployedRules.url(value, name)
    case .hash: DeployedRules.hash(value, name)
    case .list: []
    }
  }

  private static func check(
    _ value: JSON?, _ name: String, form: DeployedForm, into faults: inout FieldValidationErrors
  ) {
    let notObject = "each value in nested property \(name) must be either object or array"
    switch value {
    case .array(let elements):
      for (index, element) in elements.enumerated() where !faults.isFull {
        if let object = element.objectValue {
          form.check(object, at: "\(name).\(index).", into: &faults)
        } else {
          faults.add("\(name).\(index)", "\(name).\(notObject)")
        }
      }
    case .object(let object):
      // A single object in place of a list is looked into, and found to lack the list.
      var inside = FieldValidationErrors()
      form.check(object, at: "\(name).", into: &inside)
      if inside.all.isEmpty { inside.add(name, "\(name) must be an array") }
      for fault in inside.all { faults.add(fault.path, fault.message) }
    default:
      for message in ["\(name) must be an array", notObject] { faults.add(name, message) }
    }
  }
}

extension DeployedForm {
  /// A proof in a report.
  static let proof = DeployedForm(fields: [
    Field("modelHash", .hash), Field("inputHash", .hash), Field("outputHash", .hash),
    Field("tokenCount", .number(least: 1)),
  ])

  /// `POST /api/v1/metrics/report`.
  static let report = DeployedForm(fields: [
    Field("wallet", .address), Field("tokensProcessed", .number(least: 0)),
    Field("avgLatencyMs", .number(least: 0)), Field("requestCount", .number(least: 0)),
    Field("uptimeSeconds", .number(least: 0)), Field("timestamp", .number(least: 0)),
    Field("signature", .text), Field("proofs", .list(proof), optional: true),
  ])

  /// `POST /api/nodes/register`.
  static let node = DeployedForm(fields: [
    Field("address", .address), Field("endpoint", .url), Field("capabilities", .texts),
    Field("timestamp", .number(least: 0)), Field("signature", .text),
    Field("benchmarkTokPerSec", .number(least: 0), optional: true),
    Field("lanIp", .text, optional: true), Field("canDistribute", .flag, optional: true),
  ])

  /// `POST /api/v1/pipeline/register`.
  static let pipelineNode = DeployedForm(fields: [
    Field("address", .address), Field("grpcEndpoint", .url), Field("httpEndpoint", .url),
    Field("model", .text), Field("ramMb", .number(least: 0)), Field("device", .text),
    Field("vramMb", .number(least: 0)), Field("timestamp", .number(least: 0)),
    Field("signature", .text), Field("benchmarkTokPerSec", .number(least: 0), optional: true),
  ])

  /// `POST /api/v1/pipeline/ready`.
  static let pipelineReady = DeployedForm(fields: [
    Field("address", .address), Field("model", .text), Field("timestamp", .number(least: 0)),
    Field("signature", .text),
  ])
}
