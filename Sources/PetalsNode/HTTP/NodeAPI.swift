import HTTPTypes
import HummingbirdCore
import NIOCore
import PlumiseWire

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
        "total": .number(JSONNumber(info.blocks.layerCount)),
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
        prompt: body.inputs, maximumNewTokens: body.maximumNewTokens, sampling: body.sampling)
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
