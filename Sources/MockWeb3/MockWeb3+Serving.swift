import HTTPTypes
public import MockServing

extension MockWeb3 {
  /// Serves the chain over HTTP while a body runs, and makes blocks by time if it has a block time.
  /// - Parameters:
  ///   - server: where to listen; by default any free port of 127.0.0.1.
  ///   - body: what is done while the chain is served.
  /// - Throws: `ServingError` when the server cannot listen, and whatever `body` throws.
  public func withServer<R: Sendable>(
    _ server: ServerConfiguration = ServerConfiguration(
      maximumBodyBytes: 5 << 20, serviceName: "chain"),
    isolation: isolated (any Actor)? = #isolation,
    _ body: (ServerAddress) async throws -> R
  ) async throws -> R {
    try await withBlockProduction {
      try await withWebServer(
        server, faults: connectionFaults, respond: { await self.respond(to: $0) }, body)
    }
  }

  /// Makes blocks by time while a body runs: for a chain that is used in process.
  public func withBlockProduction<R: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
  ) async throws -> R {
    producer.setInterval(read { $0.mining.interval })
    let production = Task { await produceBlocks() }
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
      let now = now
      change { $0.mineOnTime(now: now) }
    }
  }

  /// Answers one HTTP request: JSON-RPC, to any path, from any origin, by the rules of go-ethereum
  /// 1.13.15 (`rpc/http.go`).
  ///
  /// A request without a body that only looks whether anybody is there is answered with 200.
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
