public import MockServing

extension MockOracle {
  /// Serves the oracle over HTTP while a body runs, and stops gracefully after it.
  /// - Parameters:
  ///   - host: where to listen.
  ///   - port: where to listen; 0 takes any free port.
  ///   - faults: what goes wrong, and with which requests.
  ///   - body: what is done while the oracle runs.
  /// - Throws: `ServingError` when it cannot listen, and whatever `body` throws.
  public func withServer<R: Sendable>(
    host: String = "127.0.0.1", port: Int = 0, isolation: isolated (any Actor)? = #isolation,
    faults: FaultScript? = nil, _ body: (ServerAddress) async throws -> R
  ) async throws -> R {
    let server = ServerConfiguration(
      host: host, port: port,
      maximumBodyBytes: configuration.dialects.map(\.longestBody).max() ?? 1 << 20,
      oversizedBody: .handOver, serviceName: "oracle", limits: configuration.limits,
      runsOnEventLoops: true, logger: configuration.logger)
    return try await withWebServer(
      server, faults: faults, respond: { await self.respond(to: $0) }
    ) { address in
      isServing = true
      defer { isServing = false }
      return try await withContributions { try await body(address) }
    }
  }

  /// Reports contributions while a body runs, when there is a plan for it.
  private func withContributions<R: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
  ) async throws -> R {
    guard let contributor else { return try await body() }
    let reporting = Task { await contributor.run() }
    do {
      let result = try await body()
      reporting.cancel()
      await reporting.value
      return result
    } catch {
      reporting.cancel()
      await reporting.value
      throw error
    }
  }

  /// Makes an oracle and serves it while a body runs.
  /// - Throws: `ServingError` when it cannot listen, and whatever `body` throws.
  public static func withServer<R: Sendable>(
    _ configuration: OracleConfiguration = OracleConfiguration(),
    isolation: isolated (any Actor)? = #isolation,
    faults: FaultScript? = nil, _ body: (MockOracle, ServerAddress) async throws -> R
  ) async throws -> R {
    let oracle = MockOracle(configuration)
    return try await oracle.withServer(faults: faults) { try await body(oracle, $0) }
  }
}
