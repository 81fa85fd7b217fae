import AsyncPrimitives
import HTTPTypes
public import MockServing
import PlumiseWire

extension MockWeb3 {
  /// Serves the chain over HTTP and, on the same port, WebSocket while a body runs, and makes blocks by time if it has a block time.
  /// - Parameters:
  ///   - server: where to listen; by default any free port of 127.0.0.1.
  ///   - isolation: the actor that `body` runs on; the caller's.
  ///   - body: what is done while the chain is served.
  /// - Throws: `ServingError` when the server cannot listen, and whatever `body` throws.
  public func withServer<R: Sendable>(
    _ server: ServerConfiguration = MockWeb3.serverConfiguration(),
    isolation: isolated (any Actor)? = #isolation,
    _ body: (ServerAddress) async throws -> R
  ) async throws -> R {
    try await withBlockProduction {
      try await withWebServer(
        server, faults: connectionFaults, webSocket: webSocket,
        respond: { await self.respond(to: $0) }, body)
    }
  }

  /// How a chain is served: on any free port of 127.0.0.1, with bodies of at most 5 MiB, as geth.
  /// - Parameter limits: what a peer may make the server hold.
  public static func serverConfiguration(
    limits: ServerLimits = ServerLimits()
  ) -> ServerConfiguration {
    ServerConfiguration(maximumBodyBytes: 5 << 20, serviceName: "chain", limits: limits)
  }

  /// JSON-RPC over WebSocket, on any path: a message is what a body is over HTTP.
  private var webSocket: WebSocketService {
    WebSocketService(
      ended: { [subscriptions] in subscriptions.removeAll(of: ObjectIdentifier($0)) },
      respond: { message, peer in
        await self.answer(message.bytes, for: RPCSubscriber(peer)).map {
          WebSocketMessage(.text, $0)
        }
      })
  }

  /// Makes blocks by time while a body runs: for a chain that is used in process.
  public func withBlockProduction<R: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
  ) async throws -> R {
    producer.setInterval(read { $0.mining.interval })
    let production = Task(executorPreference: clock.monitor) { await self.produceBlocks() }
    do {
      let result = try await body()
      production.cancel()
      await production.value
      return result
    } catch {
      production.cancel()
      await production.value
      throw error
    }
  }

  private func produceBlocks() async {
    await producer.run {
      // On a forked chain whose remote one is gone no block is made; what waits is tried again with
      // the next one, and requests meet the same error.
      let made = try? await performLoading { chain, now in
        chain.mineScheduledBlock(now: now)
        return nil
      }
      report(made?.warnings ?? [])
    }
  }

  /// Answers one HTTP request: JSON-RPC, to any path, from any origin, by the rules of go-ethereum
  /// 1.13.15 (`rpc/http.go`).
  ///
  /// A GET without a body, as health checks send, is answered with 200.
  public func respond(to request: WebRequest) async -> WebResponse {
    switch request.method {
    case .options: return WebResponse(status: .noContent, headers: Self.crossOrigin)
    case .put, .delete: return .text("method not allowed\n", status: .methodNotAllowed)
    case .get, .head:
      if request.body.isEmpty { return WebResponse(headers: Self.crossOrigin) }
    default: break
    }
    guard let type = request.headers[.contentType], MediaType(type).isJSONRPC else {
      return .text(
        "invalid content type, only application/json is supported\n",
        status: .unsupportedMediaType)
    }
    guard let answer = await answer(request.body) else {
      return WebResponse(headers: Self.crossOrigin)
    }
    return .json(answer, headers: Self.crossOrigin)
  }

  private static let crossOrigin: HTTPFields = [
    .accessControlAllowOrigin: "*",
    .accessControlAllowMethods: "POST, GET, OPTIONS",
    .accessControlAllowHeaders: "*",
    .accessControlMaxAge: "600",
  ]
}

/// A media type as a request names it (RFC 9110 8.3.1), read as strictly as Go's
/// `mime.ParseMediaType` does.
struct MediaType {
  /// Type and subtype in lower case; nil when the text is malformed, its parameters included.
  let essence: String?

  init(_ text: String) {
    let text = Array(text.utf8)
    let name = text.prefix { $0 != UInt8(ascii: ";") }
    let lowered = Self.trimmed(name).map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
    essence =
      Self.areParameters(text[name.endIndex...])
      ? String(decoding: lowered, as: UTF8.self) : nil
  }

  /// Whether go-ethereum takes JSON-RPC of this type.
  var isJSONRPC: Bool {
    switch essence {
    case "application/json", "application/json-rpc", "application/jsonrequest": true
    default: false
    }
  }

  /// Whether bytes are nothing but parameters: `;name=value`, the value a token or quoted, each name
  /// once.
  private static func areParameters(_ bytes: ArraySlice<UInt8>) -> Bool {
    var rest = trimmed(bytes)
    var names: Set<[UInt8]> = []
    while !rest.isEmpty {
      guard rest.first == UInt8(ascii: ";") else { return false }
      rest = trimmed(rest.dropFirst())
      // A semicolon at the end means nothing.
      if rest.isEmpty { return true }
      let name = rest.prefix(while: isToken)
      rest = trimmed(rest.dropFirst(name.count))
      guard !name.isEmpty, names.insert(name.map { $0 | 0x20 }).inserted,
        rest.first == UInt8(ascii: "=")
      else { return false }
      guard let after = skippingValue(trimmed(rest.dropFirst())) else { return false }
      rest = trimmed(after)
    }
    return true
  }

  private static func skippingValue(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard bytes.first == UInt8(ascii: "\"") else {
      let value = bytes.prefix(while: isToken)
      return value.isEmpty ? nil : bytes.dropFirst(value.count)
    }
    var rest = bytes.dropFirst()
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return rest
      case UInt8(ascii: "\\"): _ = rest.popFirst()
      default: continue
      }
    }
    return nil
  }

  private static let separators = Set(#"()<>@,;:\"/[]?="#.utf8)

  private static func isToken(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7f && !separators.contains(byte)
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    var bytes = bytes.drop(while: isBlank)
    while let last = bytes.last, isBlank(last) { bytes.removeLast() }
    return bytes
  }
}
