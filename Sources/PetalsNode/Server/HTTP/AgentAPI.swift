import AsyncPrimitives
import Bloom
import HTTPTypes
import InferenceMetrics
import MockServing
import PlumiseWire

/// The HTTP API of a node that lives as the network's agents do (NodeProtocol.md, The API of agents).
public struct AgentAPISettings: Hashable, Sendable {
  /// What clients have to send as a bearer token, but for `/health`; nil asks for nothing.
  public var secret: String?
  /// Whether streams have the events of a node that is no agent: text, id and the end of each.
  public var usesLegacyStream: Bool

  /// Settings; by default everybody may ask, and streams are the agents'.
  public init(secret: String? = nil, usesLegacyStream: Bool = false) {
    self.secret = secret
    self.usesLegacyStream = usesLegacyStream
  }
}

/// Answers as the network's agents do, whose API is written with FastAPI: errors have a `detail`.
struct AgentAPI: Sendable {
  let server: BlockServer
  let generator: TextGenerator
  let settings: AgentAPISettings

  /// Answers one request.
  func respond(to request: WebRequest) async -> WebResponse {
    if let answer = answerBeforeBody(of: request) { return answer }
    let json: JSON
    do {
      if request.body.count > NodeAPI.bodyLimit { throw BodyTooLong() }
      json = try JSON.parse(request.body)
    } catch {
      return refusal(of: error, in: .null)
    }
    do {
      let body = try GenerateBody(json, generator.defaults)
      guard server.phase.value == .ready else {
        return .detail("Model is still loading", status: .serviceUnavailable)
      }
      var text = TextRequest(
        prompt: body.inputs, maxNewTokens: body.maxNewTokens, sampling: body.sampling)
      text.isStreamed = body.stream
      return body.stream ? stream(text) : whole(text)
    } catch {
      return refusal(of: error, in: json)
    }
  }

  /// Answers a request that needs no body for it; nil for a generation, which does.
  func answerBeforeBody(of request: WebRequest) -> WebResponse? {
    if request.path != "/health", let refusal = authorize(request) { return refusal }
    switch (request.method, request.path) {
    case (.get, "/health"): return .json(health)
    case (.get, "/api/v1/pipeline/status"): return .json(status)
    case (.get, "/api/v1/metrics"): return .json(metrics)
    case (.post, "/api/v1/generate"):
      let length = request.headers[.contentLength].flatMap { Int($0) } ?? 0
      return length > NodeAPI.bodyLimit ? refusal(of: BodyTooLong(), in: .null) : nil
    case (_, "/health"), (_, "/api/v1/pipeline/status"), (_, "/api/v1/metrics"),
      (_, "/api/v1/generate"):
      return .detail("Method Not Allowed", status: .methodNotAllowed)
    default: return .detail("Not Found", status: .notFound)
    }
  }

  /// Nil for a client that may ask.
  private func authorize(_ request: WebRequest) -> WebResponse? {
    guard let secret = settings.secret else { return nil }
    guard let field = request.headers[.authorization], field.lowercased().hasPrefix("bearer ")
    else { return .detail("Authorization header required", status: .unauthorized) }
    guard field.dropFirst("bearer ".count).utf8.elementsEqual(secret.utf8) else {
      return .detail("Invalid token", status: .forbidden)
    }
    return nil
  }

  private var mode: JSON { server.info.blocks.isWholeModel ? "single" : "pipeline" }

  private var health: JSON {
    var health = NodeAPI(server: server, generator: generator).health.objectValue ?? [:]
    health["mode"] = mode
    return .object(health)
  }

  private var status: JSON {
    let place = generator.pipeline.place
    return [
      "mode": mode, "is_ready": .bool(server.info.isReady),
      "layers": health["layers"] ?? .null,
      "pipeline_order": place.map { .integer($0.order) } ?? .null,
      "total_nodes": place.map { .integer($0.totalNodes) } ?? .null,
      "next_node": place?.next.map { .string($0.grpcEndpoint) } ?? .null,
    ]
  }

  private var metrics: JSON {
    let metrics = server.metrics.snapshot
    let requests = metrics.totalRequests
    let average = requests == 0 ? 0 : metrics.totalLatency / .milliseconds(1) / Double(requests)
    return [
      "total_tokens_processed": .integer(metrics.totalTokens),
      "total_requests": .integer(requests),
      "avg_latency_ms": .number(JSONNumber(python: average)),
      "uptime_seconds": .integer(metrics.uptime.components.seconds),
    ]
  }

  private func whole(_ request: TextRequest) -> WebResponse {
    .whileClientWaits {
      do {
        return .json(try await generator.generate(request) { _ in }.json)
      } catch let error as CancellationError {
        throw error
      } catch {
        return refusal(of: error, in: .null)
      }
    }
  }

  private func stream(_ request: TextRequest) -> WebResponse {
    WebResponse(
      headers: [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache"],
      stream: WebStream { writer in
        if settings.usesLegacyStream {
          return try await GenerateEvents(writer: writer).write(generator, request)
        }
        let isWhole = server.model.blocks.isWholeModel
        try await AgentEvents(writer: writer, isWhole: isWhole).write(generator, request)
        return nil
      })
  }

  /// The answer to a request that cannot be taken, or whose generation failed.
  private func refusal(of error: any Error, in body: JSON) -> WebResponse {
    switch error {
    case let error as FieldErrors:
      return .detail(
        .array(error.errors.map { $0.json(in: body) }), status: .unprocessableContent)
    case let error as JSONError:
      return .detail(
        [
          [
            "type": "json_invalid", "loc": ["body"], "msg": "JSON decode error", "input": [:],
            "ctx": ["error": .string("\(error)")],
          ]
        ], status: .unprocessableContent)
    case is BodyTooLong:
      let limit = NodeAPI.bodyLimit
      return .detail("the body is longer than \(limit) bytes", status: .contentTooLarge)
    case let error as NodeError where error.status == .unprocessableContent:
      return .detail(
        [
          [
            "type": "value_error", "loc": ["body", "inputs"], "msg": .string(error.message),
            "input": body["inputs"] ?? .null,
          ]
        ], status: .unprocessableContent)
    case is RouteError:
      return .detail("Model unavailable", status: .serviceUnavailable)
    case let error as NodeError where error.status == .serviceUnavailable || error.peer != nil:
      return .detail("Model unavailable", status: .serviceUnavailable)
    default:
      return .detail("Internal inference error", status: .internalServerError)
    }
  }
}

/// A streamed answer of an agent: `{"token":…}` for each token, then `[DONE]`.
///
/// A failure is an event `{"error":…}`, without `[DONE]`; the status is 200 in any case.
struct AgentEvents: Sendable {
  let writer: WebBodyWriter
  /// Whether the node has the whole model: an agent of today then sends one event with all the text.
  let isWhole: Bool

  /// Generates and writes as it goes; a client that leaves ends it.
  ///
  /// - Throws: `CancellationError` when the client left or the node is cut off; what writing throws.
  func write(_ generator: TextGenerator, _ request: TextRequest) async throws {
    let isFaithful = generator.pipeline.profile == .faithful
    do {
      let model = try await generator.prepare()
      let result = try await generator.generate(request) { chunk in
        if isFaithful {
          if isWhole || chunk.finishReason == .endOfSequence { return }
          // Each token by itself, so that a character of several tokens is lost.
          try await write(["token": .string(model.text(of: [chunk.id]) ?? "")])
        } else if !chunk.text.isEmpty {
          try await write(["token": .string(chunk.text)])
        }
      }
      if isFaithful, isWhole { try await write(["token": .string(result.text ?? "")]) }
      try await write("[DONE]")
    } catch let error as CancellationError {
      throw error
    } catch {
      try Task.checkCancellation()
      try await write(["error": .string("\(error)")])
    }
  }

  private func write(_ event: JSON) async throws { try await write(event.text) }

  private func write(_ data: String) async throws {
    try Task.checkCancellation()
    try await writer.write(Array("data: \(data)\n\n".utf8))
  }
}

extension WebResponse {
  /// An error as FastAPI writes it.
  fileprivate static func detail(_ detail: JSON, status: HTTPResponse.Status) -> WebResponse {
    .json(["detail": detail], status: status)
  }
}

extension FieldError {
  /// The entry of `detail`, with what was sent: the object around it where the field is missing.
  fileprivate func json(in body: JSON) -> JSON {
    var input: JSON? = body
    for name in type == "missing" ? path.dropLast() : path[...] { input = input?[name] }
    return [
      "type": .string(type), "loc": .array((["body"] + path).map(JSON.string)),
      "msg": .string(message), "input": input ?? .null,
    ]
  }
}
