import HummingbirdCore
import NIOCore
import NIOPosix

/// Serves HTTP while a body runs, and stops gracefully after it.
///
/// The server answers from the moment that `body` is called. When `body` ends (by returning,
/// throwing or being cancelled) no new connection is accepted, requests in flight are finished,
/// faults that hold a request back let go of it, and only then does the call return: the port is
/// free and no task is left. A request that outlives the grace period is cancelled.
///
/// All servers of a process share NIO's event loops, so that one starts in well under 10 ms.
/// - Parameters:
///   - configuration: where to listen; by default any free port of 127.0.0.1.
///   - faults: what goes wrong, and with which requests.
///   - respond: answers one request; runs on the cooperative pool, many at a time.
///   - body: what is done while the server runs.
/// - Returns: what `body` returned.
/// - Throws: ``ServingError`` when the server cannot listen, and whatever `body` throws.
public func withWebServer<R: Sendable>(
  _ configuration: ServerConfiguration = ServerConfiguration(),
  isolation: isolated (any Actor)? = #isolation,
  faults: FaultScript? = nil,
  respond: @Sendable @escaping (WebRequest) async -> WebResponse,
  _ body: (ServerAddress) async throws -> R
) async throws -> R {
  let server = try await RunningServer.start(configuration, faults: faults, respond: respond)
  do {
    let result = try await body(server.address)
    await server.stop()
    return result
  } catch {
    await server.stop()
    throw error
  }
}

/// A server between its start and its stop.
private struct RunningServer {
  let address: ServerAddress
  private let server: Server<HTTP1Channel>
  private let running: Task<Void, any Error>
  private let stopping: StopSignal
  private let gracePeriod: Duration

  static func start(
    _ configuration: ServerConfiguration, faults: FaultScript?,
    respond: @Sendable @escaping (WebRequest) async -> WebResponse
  ) async throws -> RunningServer {
    let group = MultiThreadedEventLoopGroup.singleton
    let bound = group.any().makePromise(of: Int?.self)
    let stopping = StopSignal()
    let exchange = Exchange(
      configuration: configuration, faults: faults, stopping: stopping, respond: respond)
    let server = Server(
      childChannelSetup: HTTP1Channel(responder: exchange.run),
      configuration: .init(
        address: .hostname(configuration.host, port: configuration.port), backlog: 4096),
      onServerRunning: { channel in bound.succeed(channel.localAddress?.port) },
      eventLoopGroup: group,
      logger: configuration.logger)
    // Not a child task: a cancelled caller must still get a graceful stop. `stop` always ends it.
    let running = Task {
      do {
        try await server.run()
      } catch {
        bound.fail(error)
        throw error
      }
    }
    do {
      let port = try await bound.futureResult.get()
      return RunningServer(
        address: ServerAddress(host: configuration.host, port: port ?? configuration.port),
        server: server, running: running, stopping: stopping,
        gracePeriod: configuration.gracePeriod)
    } catch {
      throw ServingError(error, configuration)
    }
  }

  func stop() async {
    stopping.send()
    let (server, running, gracePeriod) = (server, running, gracePeriod)
    let backstop = Task {
      try await Task.sleep(for: gracePeriod)
      running.cancel()
    }
    // It fails only when the listening socket cannot be closed, which then is closed already.
    let quiesced = Task { try await server.shutdownGracefully() }
    _ = await running.result
    backstop.cancel()
    _ = await quiesced.result
  }
}
