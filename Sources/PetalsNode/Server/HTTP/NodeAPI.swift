import AsyncPrimitives
package import Bloom
import EthereumPrimitives
import HTTPTypes
import MockServing
package import PlumiseWire

/// The HTTP API of a node (Wire.md, Nodes): `GET /health` and `POST /api/v1/generate`.
struct NodeAPI: Sendable {
  /// Longest body of a request, in bytes.
  static let bodyLimit = 1 << 20

  let server: BlockServer
  let generator: TextGenerator

  /// Answers one request.
  func respond(to request: WebRequest) async -> WebResponse {
    if let answer = answerBeforeBody(of: request) { return answer }
    do {
      if request.body.count > Self.bodyLimit { throw BodyTooLong() }
      let body = try checked(request.body)
      var text = TextRequest(
        prompt: body.inputs, maxNewTokens: body.maxNewTokens, sampling: body.sampling)
      text.isStreamed = body.stream
      return body.stream ? stream(text) : whole(text)
    } catch {
      return GenerateAnswer.refused(error).response
    }
  }

  /// Answers a request that needs no body for it; nil for a generation, which does.
  func answerBeforeBody(of request: WebRequest) -> WebResponse? {
    switch (request.method, request.path) {
    case (.get, "/health"), (.head, "/health"): .json(health)
    case (.post, "/api/v1/generate"):
      request.isTooLong ? GenerateAnswer.refused(BodyTooLong()).response : nil
    case (_, "/health"):
      .json(.failure("ask with GET"), status: .methodNotAllowed, headers: [.allow: "GET, HEAD"])
    case (_, "/api/v1/generate"):
      .json(.failure("ask with POST"), status: .methodNotAllowed, headers: [.allow: "POST"])
    default: .json(.failure("\(request.path) is not here"), status: .notFound)
    }
  }

  /// What `GET /health` answers.
  var health: JSON {
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

  private func checked(_ bytes: [UInt8]) throws -> GenerateBody {
    let body = try GenerateBody(JSON.parse(bytes), generator.defaults)
    guard server.phase.value == .ready else {
      throw NodeError(.unavailable, "the node still loads, or stops: try again")
    }
    return body
  }

  private func whole(_ request: TextRequest) -> WebResponse {
    .whileClientWaits {
      do {
        return GenerateAnswer.done(try await generator.generate(request) { _ in }).response
      } catch let error as CancellationError {
        throw error
      } catch {
        return GenerateAnswer.refused(error).response
      }
    }
  }

  private func stream(_ request: TextRequest) -> WebResponse {
    WebResponse(
      headers: [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache"],
      stream: WebStream { try await GenerateEvents(writer: $0).write(generator, request) })
  }
}

extension WebRequest {
  /// Whether it says by itself that it has more bytes than are read.
  fileprivate var isTooLong: Bool {
    headers[.contentLength].flatMap { Int($0) }.map { $0 > NodeAPI.bodyLimit } ?? false
  }
}

/// A request with more bytes than are read.
struct BodyTooLong: Error {}

extension WebResponse {
  /// A JSON answer.
  static func json(
    _ body: JSON, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
  ) -> WebResponse {
    .json(body.serialized(), status: status, headers: headers)
  }
}

extension JSON {
  /// The body of an error: `status` and `message`.
  static func failure(_ message: String) -> JSON {
    ["status": "error", "message": .string(message)]
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

  /// The answer, with `Retry-After` where another try may help.
  var response: WebResponse {
    let status = status
    return .json(
      body, status: status, headers: status == .serviceUnavailable ? [.retryAfter: "1"] : [:])
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
struct GenerateEvents: Sendable {
  let writer: WebBodyWriter

  /// Generates and writes as it goes; a client that leaves ends it.
  /// - Returns: the answer when there is nothing to stream.
  /// - Throws: `CancellationError` when the client left or the node is cut off; what writing throws.
  func write(_ generator: TextGenerator, _ request: TextRequest) async throws -> WebResponse? {
    do {
      let result = try await generator.generate(request) { try await write($0.json) }
      try await write(result.lastEvent)
    } catch let error as CancellationError {
      throw error
    } catch {
      try Task.checkCancellation()
      let answer = GenerateAnswer.refused(error)
      guard writer.hasBegun else { return answer.response }
      try await write(answer.body)
    }
    return nil
  }

  private func write(_ event: JSON) async throws {
    try Task.checkCancellation()
    try await writer.write(Array("data: \(event.text)\n\n".utf8))
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
