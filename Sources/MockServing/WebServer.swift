import NIOCore
import NIOHTTP1
import NIOPosix

/// Serves HTTP while a body runs, and stops gracefully after it.
///
/// The server answers from the moment that `body` is called. When `body` ends (by returning,
/// throwing or being cancelled) no new connection is accepted, requests in flight are finished,
/// faults that hold a request back let go of it, and only then does the call return: the port is
/// free and no task is left. A request that outlives the grace period is cancelled.
///
/// All servers of a process share NIO's event loops, so that starting one starts no thread.
/// - Parameters:
///   - configuration: where to listen; by default any free port of 127.0.0.1.
///   - faults: what goes wrong, and with which requests.
///   - respond: answers one request, many at a time; on the cooperative pool, unless the
///     configuration says that it may run on the event loops.
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
  private let listener: any Channel
  private let connections: ConnectionTable
  private let sweeping: Task<Void, Never>
  private let stopping: StopSignal
  private let gracePeriod: Duration

  static func start(
    _ configuration: ServerConfiguration, faults: FaultScript?,
    respond: @Sendable @escaping (WebRequest) async -> WebResponse
  ) async throws -> RunningServer {
    OpenFiles.raiseLimit()
    let stopping = StopSignal()
    let exchange = Exchange(
      configuration: configuration, faults: faults, stopping: stopping, respond: respond)
    let connections = ConnectionTable(configuration.limits)
    let listener: any Channel
    do {
      listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(.backlog, value: 4096)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
        // A client that has ended its side waits for its answers.
        .childChannelOption(.allowRemoteHalfClosure, value: true)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try setUp(channel, exchange, connections)
          }
        }
        .bind(host: configuration.host, port: configuration.port).get()
    } catch {
      throw ServingError(error, configuration)
    }
    return RunningServer(
      address: ServerAddress(
        host: configuration.host, port: listener.localAddress?.port ?? configuration.port),
      listener: listener, connections: connections,
      // Not a child task: it lives as long as the server, which `stop` ends.
      sweeping: Task { await connections.sweep() },
      stopping: stopping, gracePeriod: configuration.gracePeriod)
  }

  private static func setUp(
    _ channel: any Channel, _ exchange: Exchange, _ connections: ConnectionTable
  ) throws {
    let pipeline = channel.pipeline.syncOperations
    guard let connection = connections.admit(channel) else {
      try pipeline.addHandler(RefusingHandler())
      return
    }
    let limits = exchange.configuration.limits
    var decoding = NIOHTTPDecoderLimitConfiguration()
    decoding.maxHeaderFieldSize = limits.headerBytes
    decoding.maxHeaderListSize = limits.headerBytes
    let arrival = ArrivalHandler(connection, headerBytes: limits.headerBytes)
    try pipeline.addHandler(arrival)
    // Response fields are `HTTPFields`, which hold no invalid ones: they need no second look. Every
    // answer says itself how long its body is.
    var encoding = HTTPResponseEncoder.Configuration()
    encoding.automaticallySetFramingHeaders = false
    try pipeline.configureHTTPServerPipeline(
      withErrorHandling: false, withOutboundHeaderValidation: false,
      withEncoderConfiguration: encoding, withDecoderLimitConfiguration: decoding)
    let executor =
      exchange.configuration.runsOnEventLoops ? LoopTaskExecutor(channel.eventLoop) : nil
    try pipeline.addHandler(
      ConnectionHandler(
        exchange, connection, in: connections, after: arrival, executor: executor))
  }

  func stop() async {
    stopping.send()
    // It fails only when the listening socket is closed already.
    _ = await listener.close().asResult()
    connections.quiesce()
    let (connections, gracePeriod) = (connections, gracePeriod)
    let backstop = Task {
      do {
        // No clock knows a time that lies farther ahead than its type.
        try await Task.sleep(for: min(gracePeriod, .seconds(86_400)))
      } catch {
        // Every connection ended in time.
        return
      }
      connections.closeAll()
    }
    await connections.waitUntilEmpty()
    backstop.cancel()
    await backstop.value
    sweeping.cancel()
    await sweeping.value
  }
}

extension EventLoopFuture where Value == Void {
  /// Waits for the future without throwing.
  fileprivate func asResult() async -> Result<Void, any Error> {
    do { return .success(try await get()) } catch { return .failure(error) }
  }
}
