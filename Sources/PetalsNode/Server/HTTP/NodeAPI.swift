package import Bloom
import HTTPTypes
import HummingbirdCore
import NIOCore
package import PlumiseWire

/// The HTTP API of a node (Wire.md, Nodes): `GET /health` and `POST /api/v1/generate`.
struct NodeAPI: Sendable {
  /// Longest body of a request, in bytes.
  static let bodyLimit = 1 << 20

  let server: BlockServer
  let generator: TextGenerator

  /// Answers one request.
  func respond(
    _ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
  ) async throws {
    let path = request.head.path.map { $0.prefix { $0 != "?" } } ?? "/"
    guard request.head.authority != nil else {
      return try await writer.write(
        .badRequest, .failure("an HTTP/1.1 request has exactly one Host field"))
    }
    switch (request.method, path) {
    case (.get, "/health"), (.head, "/health"):
      try await writer.write(.ok, health)
    case (.post, "/api/v1/generate"):
      try await generate(request, writer, channel)
    case (_, "/health"):
      try await writer.write(.methodNotAllowed, .failure("ask with GET"), [.allow: "GET, HEAD"])
    case (_, "/api/v1/generate"):
      try await writer.write(.methodNotAllowed, .failure("ask with POST"), [.allow: "POST"])
    default:
      try await writer.write(.notFound, .failure("\(path) is not here"))
    }
  }

  private var health: JSON {
    let info = server.info
    return [
      "status": info.isReady ? "ok" : "loading",
      "model": .string(info.modelName),
      "mode": info.blocks.isWholeModel ? "standalone" : "pipeline",
      "address": info.agent.map { .string($0.checksummed) } ?? .null,
      "uptime": .number(JSONNumber(python: info.uptime / .seconds(1))),
      "layers": [
        "start": .number(JSONNumber(info.blocks.lowerBound)),
        "end": .number(JSONNumber(info.blocks.upperBound)),
        "total": .number(JSONNumber(info.blocks.blockCount)),
      ],
    ]
  }

  private enum Reply: Sendable {
    case whole(GenerateAnswer)
    case stream(GenerateStream)
  }

  private func generate(
    _ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
  ) async throws {
    let client = try await ClientPresence.on(channel)
    if request.headers[.expect]?.lowercased() == "100-continue", !request.isTooLong {
      try await writer.writeInformationalHead(HTTPResponse(status: .continue))
    }
    switch try await reply(to: request, of: client) {
    case .whole(let answer): try await writer.write(answer.status, answer.body, answer.headers)
    case .stream(let stream): try await stream.write(to: writer, of: client)
    }
  }

  /// What is answered; a client that leaves meanwhile has the generation ended.
  ///
  /// - Throws: `CancellationError` when it left, or the node is cut off.
  private func reply(to request: Request, of client: ClientPresence) async throws -> Reply {
    do {
      if request.isTooLong { throw BodyTooLong() }
      let body = try await checked(request.body)
      let text = TextRequest(
        prompt: body.inputs, maxNewTokens: body.maxNewTokens, sampling: body.sampling)
      if body.stream { return .stream(GenerateStream(generator: generator, request: text)) }
      return try await client.during {
        .whole(.done(try await generator.generate(text) { _ in }))
      }
    } catch let error as CancellationError {
      throw error
    } catch {
      return .whole(.refused(error))
    }
  }

  private func checked(_ body: RequestBody) async throws -> GenerateBody {
    let body = try GenerateBody(
      JSON.parse(try await Self.bytes(of: body)), generator.defaults)
    guard server.phase.value == .ready else {
      throw NodeError(.unavailable, "the node still loads, or stops: try again")
    }
    return body
  }

  private static func bytes(of body: RequestBody) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    for try await chunk in body {
      guard bytes.count + chunk.readableBytes <= bodyLimit else { throw BodyTooLong() }
      bytes.append(contentsOf: chunk.readableBytesView)
    }
    return bytes
  }
}

extension Request {
  /// Whether it says by itself that it has more bytes than are read.
  fileprivate var isTooLong: Bool {
    headers[.contentLength].flatMap { Int($0) }.map { $0 > NodeAPI.bodyLimit } ?? false
  }
}

/// A request with more bytes than are read.
struct BodyTooLong: Error {}

extension JSON {
  /// The body of an error: `status` and `message`.
  static func failure(_ message: String) -> JSON {
    ["status": "error", "message": .string(message)]
  }
}

extension ResponseWriter {
  /// Writes a JSON answer.
  consuming func write(
    _ status: HTTPResponse.Status, _ body: JSON, _ headers: HTTPFields = [:]
  ) async throws {
    var fields = headers
    let bytes = body.serialized()
    fields[.contentType] = "application/json"
    fields[.contentLength] = "\(bytes.count)"
    try await write(
      response: HTTPResponse(status: status, headerFields: fields),
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }
}

/// The body of `POST /api/v1/generate` (Wire.md, Nodes), checked.
package struct GenerateBody: Sendable {
  package let inputs: String
  package let maxNewTokens: Int
  package let sampling: SamplingParameters
  package let stream: Bool

  /// Checks every field and collects what is wrong with any; what is not given is as the model's
  /// `generation_config.json` has it, or else Wire.md.
  ///
  /// - Throws: ``FieldErrors``.
  package init(_ body: JSON, _ defaults: GenerationDefaults = GenerationDefaults()) throws {
    var reader = FieldReader()
    let fields = reader.object(body, at: [])
    let inputs = reader.string(fields?["inputs"], at: ["inputs"])
    let stream = reader.bool(fields?["stream"], at: ["stream"]) ?? false
    let parameters = fields?["parameters"].flatMap {
      $0.isNull ? nil : reader.object($0, at: ["parameters"])
    }
    let maxNewTokens = reader.integer(
      parameters?["max_new_tokens"], in: 1...Int64(RequestedSampling.maxNewTokenLimit),
      at: ["parameters", "max_new_tokens"])
    let temperature = reader.number(
      parameters?["temperature"], in: 0...2, at: ["parameters", "temperature"])
    let topP = reader.number(parameters?["top_p"], in: 0...1, at: ["parameters", "top_p"])
    let penalty = reader.number(
      parameters?["repetition_penalty"], in: 1...2, at: ["parameters", "repetition_penalty"])
    let doSample = reader.bool(parameters?["do_sample"], at: ["parameters", "do_sample"])
    guard let inputs, reader.errors.isEmpty else { throw FieldErrors(reader.errors) }

    self.inputs = inputs
    self.maxNewTokens = maxNewTokens ?? RequestedSampling.maxNewTokens(defaults)
    self.stream = stream
    sampling = try RequestedSampling(
      doSample: doSample, temperature: temperature.map { Float($0) },
      topP: topP.map(SamplingParameters.positive), repetitionPenalty: penalty.map { Float($0) }
    ).parameters(defaults)
  }
}

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

/// A streamed answer: server-sent events, one JSON object each.
///
/// A token is `{"token_text", "token_id", "is_finished": false}`, as the network's gRPC chunks have
/// it. The last event has `is_finished` true, `finish_reason`, and the fields of a whole answer.
/// Nothing is sent before the first token, so that a refusal still has its own status.
struct GenerateStream: Sendable {
  let generator: TextGenerator
  let request: TextRequest

  private static let head: HTTPFields = [
    .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache",
  ]

  /// Generates and writes as it goes; the generation of a client that has left ends at its next token.
  /// - Throws: `CancellationError` when it left; what writing throws.
  func write(to writer: consuming ResponseWriter, of client: ClientPresence) async throws {
    // The writer of the head can be used once: it waits here for the first piece.
    var waiting: ResponseWriter? = consume writer
    var body: (any ResponseBodyWriter)?
    try client.check()
    do {
      let result = try await generator.generate(request) { chunk in
        try client.check()
        if let writer = waiting.take() {
          body = try await writer.writeHead(
            HTTPResponse(status: .ok, headerFields: Self.head))
        }
        try await body?.write(Self.event(chunk.json))
      }
      try await body?.write(Self.event(result.lastEvent))
    } catch {
      try client.check()
      let answer = GenerateAnswer.refused(error)
      if let writer = waiting.take() {
        return try await writer.write(answer.status, answer.body, answer.headers)
      }
      try await body?.write(Self.event(answer.body))
    }
    try await body?.finish(nil)
  }

  private static func event(_ json: JSON) -> ByteBuffer {
    ByteBuffer(string: "data: \(json.text)\n\n")
  }
}

extension TextChunk {
  fileprivate var json: JSON {
    [
      "token_text": .string(text), "token_id": .number(JSONNumber(Int(id))),
      "is_finished": .bool(false),
    ]
  }
}

extension GenerationResult {
  fileprivate var lastEvent: JSON {
    [
      "generated_text": .string(text ?? ""),
      "num_tokens": .number(JSONNumber(generatedIDs.count)),
      "latency_ms": .number(JSONNumber(python: duration.hundredthsOfMilliseconds)),
      "is_finished": .bool(true), "finish_reason": .string(finishReason.rawValue),
    ]
  }
}
