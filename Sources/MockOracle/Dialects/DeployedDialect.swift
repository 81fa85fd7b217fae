import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire

/// The deployed dialect's answers, to the letter (Wire.md, deployed dialect).
enum DeployedDialect {
  /// How far a timestamp may lie from now, in seconds; the limit itself is accepted.
  static let window: Int64 = 60
  /// The most tokens that a report may carry.
  static let maximumTokens: Double = 1_000_000_000

  /// The answer to a report that was accepted.
  static func recorded(isFirstInEpoch: Bool) -> WebResponse {
    isFirstInEpoch ? recordedFirst : recordedAgain
  }

  private static let recordedFirst = makeRecorded(isFirstInEpoch: true)
  private static let recordedAgain = makeRecorded(isFirstInEpoch: false)

  private static func makeRecorded(isFirstInEpoch: Bool) -> WebResponse {
    var response = WebResponse.json(
      ([
        "success": true, "message": "Metrics recorded successfully",
        "shouldReset": .bool(isFirstInEpoch),
      ] as JSON).serialized(), status: .created)
    response.headers[.eTag] = entityTag(of: response.body)
    return response
  }

  /// The parts of the deployed oracle, which word their errors differently.
  enum Part {
    case metrics
    case nodes
    case pipeline
  }

  /// The answer to a registration that was accepted, with the layers that it brought.
  static func registered(
    _ kind: StoredRegistration.Kind, _ assignment: LayerAssignment?
  ) -> WebResponse {
    let body =
      assignment?.json(success: true, message: kind.success)
      ?? ["success": true, "message": .string(kind.success)]
    return .json(body.serialized(), status: .created)
  }

  /// The answer to a report or a registration that was not accepted.
  static func answer(to refusal: RejectionReason, on part: Part = .metrics) -> WebResponse {
    if part == .pipeline, let message = pipelineMessage(for: refusal) {
      return pipelineError(message)
    }
    return switch refusal {
    case .tooLarge: bare("request entity too large", status: .contentTooLarge)
    case .tooManyParameters: bare("too many parameters", status: .contentTooLarge)
    case .unsupportedMedia(let reason): bare(reason, status: .unsupportedMediaType)
    case .undecodable(let reason): bare(reason, status: .badRequest)
    case .invalid(let faults):
      error(.array(faults.map { .string($0.message) }), status: .badRequest)
    case .malformed(let reason): error(.string(reason), status: .badRequest)
    case .wrongAPIKey: error("Invalid API key", status: .unauthorized)
    case .wrongSigner, .malformedSignature, .outsideWindow:
      error("Invalid signature", status: .unauthorized)
    case .unregistered, .registrationUnknown:
      error(
        part == .nodes
          ? "Address not registered as agent on-chain" : "Agent not registered on-chain",
        status: .badRequest)
    case .replay, .registrationReplay:
      error(.string(DeployedReport.replayMessage), status: .badRequest)
    case .tooManyTokens: error("Token count exceeds maximum allowed", status: .badRequest)
    // It takes a chain that it cannot ask for one that says no.
    case .notWhole, .epochUnknown, .notStored:
      error("Internal server error", status: .badRequest)
    case .tooManyReports(_, let seconds):
      .json(
        (["statusCode": 429, "message": "ThrottlerException: Too Many Requests"] as JSON)
          .serialized(),
        status: .tooManyRequests, headers: [.retryAfter: String(seconds)])
    case .sponsoringFailed:
      error("Failed to sponsor on-chain registration", status: .badRequest)
    case .sponsoringIneffective:
      error(
        "Sponsored registration tx succeeded but agent still not found on-chain",
        status: .badRequest)
    case .sameEndpoints, .pipelineFull, .pipelineNodeNotFound:
      error(.string(refusal.description), status: .badRequest)
    }
  }

  /// What the pipeline throws, which is without the error's name; nil for what is answered before
  /// the pipeline is asked.
  private static func pipelineMessage(for refusal: RejectionReason) -> String? {
    switch refusal {
    case .sameEndpoints: "Pipeline nodes must have separate gRPC and HTTP endpoints"
    case .replay, .registrationReplay: DeployedReport.replayMessage
    case .wrongSigner, .malformedSignature, .outsideWindow: "Invalid signature"
    case .pipelineNodeNotFound: "Pipeline node not found"
    case .sponsoringFailed(_, let reason): "Sponsor registration failed: \(reason)"
    case .sponsoringIneffective:
      "Sponsor registration tx succeeded but agent still not found on-chain"
    case .pipelineFull: "No layers left: \(refusal)"
    default: nil
    }
  }

  /// An error of the pipeline.
  static func pipelineError(_ message: String) -> WebResponse {
    bare(message, status: .badRequest)
  }

  /// An error without its name: of the pipeline, of a body that cannot be read, and of a handler
  /// that failed.
  static func bare(_ message: String, status: HTTPResponse.Status) -> WebResponse {
    .json(
      (["statusCode": .integer(status.code), "message": .string(message)] as JSON).serialized(),
      status: status)
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
    error("Cannot \(request.method.rawValue) \(request.target)", status: .notFound)
  }

  static func error(_ message: JSON, status: HTTPResponse.Status) -> WebResponse {
    .json(
      ([
        "message": message, "error": .string(status.reasonPhrase),
        "statusCode": .integer(status.code),
      ] as JSON).serialized(), status: status)
  }
}

/// A report of the deployed dialect that was validated; its signature is not checked yet.
struct DeployedBody {
  let agent: Address
  /// The agent's address as it was written.
  let wallet: String
  let tokensProcessed: Double
  let averageLatencyMilliseconds: Double
  let requestCount: Double
  let uptimeSeconds: Double
  let timestamp: Double
  let signature: String
  let proofs: [(hashes: [String], tokenCount: Double)]
  /// What the signature must be of.
  let signedText: SignedText

  /// Reads a body.
  /// - Throws: ``RejectionReason/malformed(_:)``, or ``RejectionReason/invalid(_:)`` with every
  ///   error in the deployed oracle's words and order.
  init(_ content: BodyParser.Content) throws(RejectionReason) {
    let object = try ClassValidator.report.read(content)
    guard let wallet = object["wallet"]?.stringValue,
      let agent = Address(validated: wallet),
      let tokens = object["tokensProcessed"]?.numberValue,
      let latency = object["avgLatencyMs"]?.doubleValue,
      let requests = object["requestCount"]?.doubleValue,
      let uptime = object["uptimeSeconds"]?.doubleValue,
      let timestamp = object["timestamp"]?.numberValue,
      let signature = object["signature"]?.stringValue
    else { throw .invalid([]) }
    self.agent = agent
    self.wallet = wallet
    tokensProcessed = tokens.double
    averageLatencyMilliseconds = latency
    requestCount = requests
    uptimeSeconds = uptime
    self.timestamp = timestamp.double
    self.signature = signature
    // A list among the proofs passes validation, and is no proof.
    proofs = (object["proofs"]?.arrayValue ?? []).filter { $0.objectValue != nil }.map { proof in
      let hashes = ClassValidator.proof.properties.prefix(3).map {
        proof[$0.name]?.stringValue ?? ""
      }
      return (hashes, proof["tokenCount"]?.doubleValue ?? 0)
    }
    signedText = DeployedReport.signedText(
      agent: .string(wallet), tokens: .number(tokens), timestamp: .number(timestamp))
  }
}

extension DeployedBody {
  /// Checks the token count.
  /// - Throws: ``RejectionReason/tooManyTokens(_:)``.
  func checkTokens() throws(RejectionReason) {
    guard tokensProcessed <= DeployedDialect.maximumTokens else {
      throw .tooManyTokens(tokensProcessed)
    }
  }

  /// The field whose number the database does not take; nil when it takes all of them.
  ///
  /// Its columns hold 32 bits of requests and uptime, and 64 of a timestamp.
  var fieldBeyondItsColumn: String? {
    let columns: [(String, Double, Int64)] = [
      ("requestCount", requestCount, Int64(Int32.max)),
      ("uptimeSeconds", uptimeSeconds, Int64(Int32.max)), ("timestamp", timestamp, .max),
    ]
    return columns.first { _, number, most in
      Int64(exactly: number.rounded(.toNearestOrAwayFromZero)).map { $0 > most } ?? true
    }?.0
  }

  /// The report as it is accounted.
  ///
  /// The database rounds counts and times. A proof whose count it does not take is not kept.
  /// - Throws: ``RejectionReason/notWhole(field:)`` for a fraction of tokens.
  func report(
    epoch: UInt64, receivedAt: Int64, isSigned: Bool
  ) throws(RejectionReason) -> StoredReport {
    func rounded(_ number: Double) -> Int64 {
      Int64(saturating: number.rounded(.toNearestOrAwayFromZero))
    }
    // Tokens are made a BigInt, which a fraction cannot be.
    guard let tokens = Int64(exactly: tokensProcessed) else {
      throw .notWhole(field: "tokensProcessed")
    }
    let stored = proofs.compactMap { proof in
      Int64(exactly: proof.tokenCount.rounded(.toNearestOrAwayFromZero)).map {
        StoredProof(
          modelHash: proof.hashes[0], inputHash: proof.hashes[1], outputHash: proof.hashes[2],
          tokenCount: $0)
      }
    }
    return StoredReport(
      dialect: .deployed, agent: agent, epoch: epoch,
      processedTokens: tokens,
      averageLatencyMilliseconds: averageLatencyMilliseconds,
      uptimeSeconds: rounded(uptimeSeconds), tasksCompleted: rounded(requestCount),
      timestamp: rounded(timestamp), receivedAt: receivedAt,
      signature: isSigned ? signature : nil, proofs: stored)
  }
}

extension ClassValidator {
  /// A proof in a report.
  static let proof = ClassValidator([
    Property("modelHash", .isHexadecimal), Property("inputHash", .isHexadecimal),
    Property("outputHash", .isHexadecimal),
    Property("tokenCount", .min(1)),
  ])

  /// `POST /api/v1/metrics/report`.
  static let report = ClassValidator([
    Property("wallet", .isEthereumAddress, alias: "agent"),
    Property("tokensProcessed", .min(0), alias: "processed_tokens"),
    Property("avgLatencyMs", .min(0), alias: "avg_latency_ms"),
    Property("requestCount", .min(0), alias: "tasks_completed"),
    Property("uptimeSeconds", .min(0), alias: "uptime_seconds"), Property("timestamp", .min(0)),
    Property("signature", .isString), Property("proofs", .validateNested(proof), optional: true),
  ])

  /// `POST /api/nodes/register`.
  static let node = ClassValidator([
    Property("address", .isEthereumAddress), Property("endpoint", .isURL),
    Property("capabilities", .isStringArray),
    Property("timestamp", .min(0)), Property("signature", .isString),
    Property("benchmarkTokPerSec", .min(0), optional: true),
    Property("lanIp", .isString, optional: true),
    Property("canDistribute", .isAnything, optional: true),
  ])

  /// `POST /api/v1/pipeline/register`.
  static let pipelineNode = ClassValidator([
    Property("address", .isEthereumAddress), Property("grpcEndpoint", .isURL),
    Property("httpEndpoint", .isURL),
    Property("model", .isString), Property("ramMb", .min(0)), Property("device", .isString),
    Property("vramMb", .min(0)), Property("benchmarkTokPerSec", .min(0), optional: true),
    Property("timestamp", .min(0)), Property("signature", .isString),
  ])

  /// `POST /api/v1/pipeline/ready`.
  static let pipelineReady = ClassValidator([
    Property("address", .isEthereumAddress), Property("model", .isString),
    Property("timestamp", .min(0)),
    Property("signature", .isString),
  ])
}
