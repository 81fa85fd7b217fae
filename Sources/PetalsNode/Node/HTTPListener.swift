import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// An HTTP server that lives as long as a body runs.
struct HTTPListener {
  let endpoint: NodeConfiguration.Endpoint
  let gracePeriod: Duration
  let patience: ClientPatience
  let logger: Logger

  /// Serves while the body runs; the port is free when this returns.
  ///
  /// Requests in flight have the grace period to finish. Then they are cut off.
  /// - Throws: ``NodeStartError`` when it cannot listen; what the body throws.
  func run(
    _ respond: @escaping HTTP1Channel.Responder, _ body: (PeerAddress) async throws -> Void
  ) async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let bound = group.any().makePromise(of: Int?.self)
    let connections = HTTPConnections(patience)
    let server = Server(
      childChannelSetup: HTTP1Channel(
        responder: respond,
        configuration: .init(
          additionalChannelHandlers: [RequestRulesInstaller(connections), ClientPresence()])),
      configuration: .init(address: .hostname(endpoint.host, port: endpoint.port)),
      onServerRunning: { channel in bound.succeed(channel.localAddress?.port) },
      eventLoopGroup: group, logger: logger)
    // Not a child task: a cancelled caller must still get a graceful stop. It always ends below.
    let serving = Task {
      do {
        try await server.run()
      } catch {
        bound.fail(error)
        throw error
      }
    }
    let sweeping = Task { await connections.sweep() }
    let outcome: Result<Void, any Error>
    do {
      let port = try await endpoint.translating { try await bound.futureResult.get() }
      let address = try PeerAddress(host: endpoint.host, port: port ?? endpoint.port)
      outcome = .success(try await body(address))
    } catch {
      outcome = .failure(error)
    }
    // It fails when the listening socket cannot be closed, which then is closed already.
    let quiescing = Task { try await server.shutdownGracefully() }
    await serving.endsWithin(gracePeriod, on: patience.clock)
    _ = await quiescing.result
    sweeping.cancel()
    await sweeping.value
    try outcome.get()
  }
}
