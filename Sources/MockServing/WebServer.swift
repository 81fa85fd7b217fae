import AsyncPrimitives
public import HTTPTypes
public import Logging
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
///   - webSocket: what WebSocket connections are for, on any path; nil for a server without.
///   - respond: answers one request, many at a time; on the cooperative pool, unless the
///     configuration says that it may run on the event loops.
///   - body: what is done while the server runs.
/// - Returns: what `body` returned.
/// - Throws: ``ServingError`` when the server cannot listen, and whatever `body` throws.
public func withWebServer<R: Sendable>(
  _ configuration: ServerConfiguration = ServerConfiguration(),
  isolation: isolated (any Actor)? = #isolation,
  faults: FaultScript? = nil, webSocket: WebSocketService? = nil,
  respond: @Sendable @escaping (WebRequest) async -> WebResponse,
  _ body: (ServerAddress) async throws -> R
) async throws -> R {
  let server = try await RunningServer.start(
    configuration, faults: faults, webSocket: webSocket, respond: respond)
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
  private let graceClock: any Clock<Duration>

  static func start(
    _ configuration: ServerConfiguration, faults: FaultScript?, webSocket: WebSocketService?,
    respond: @Sendable @escaping (WebRequest) async -> WebResponse
  ) async throws -> RunningServer {
    OpenFiles.raiseLimit()
    let stopping = StopSignal()
    let exchange = Exchange(
      configuration: configuration, faults: faults, stopping: stopping, webSocket: webSocket,
      respond: respond)
    let connections = ConnectionTable(configuration.limits)
    let listener: any Channel
    do {
      listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(.backlog, value: 4096)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
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
      sweeping: Task(executorPreference: configuration.limits.clock.monitor) {
        await connections.sweep()
      },
      stopping: stopping, gracePeriod: configuration.gracePeriod,
      graceClock: configuration.graceClock)
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
    // On a clock that tests move, whoever works on an answer is counted, also while a time limit of
    // the work holds the request.
    let executor: (any TaskExecutor)? =
      exchange.monitor
      ?? (exchange.configuration.runsOnEventLoops ? LoopTaskExecutor(channel.eventLoop) : nil)
    try pipeline.addHandler(
      ConnectionHandler(
        exchange, connection, in: connections, after: arrival, executor: executor))
  }

  func stop() async {
    stopping.send()
    // It fails only when the listening socket is closed already.
    _ = await listener.close().asResult()
    connections.quiesce()
    let (connections, gracePeriod, clock) = (connections, gracePeriod, graceClock)
    let backstop = Task {
      do {
        // No clock knows a time that lies farther ahead than its type.
        try await clock.sleep(for: min(gracePeriod, .seconds(86_400)))
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

/// Where and how a server listens.
public struct ServerConfiguration: Sendable {
  /// Who answers a request whose body is longer than the limit.
  public enum OversizedBody: Sendable {
    /// The server answers 413 by itself; the service never sees the request.
    case refuse
    /// The service gets the first `maximumBodyBytes + 1` bytes, sees that the body is too long,
    /// and answers in its own words.
    case handOver
  }

  /// The host to listen on.
  public var host: String
  /// The port to listen on; 0 takes any free one.
  public var port: Int
  /// The longest body that is read.
  public var maximumBodyBytes: Int
  /// Who answers when a body is longer.
  public var oversizedBody: OversizedBody
  /// The service's name, for the log and for errors.
  public var serviceName: String
  /// How long a stop waits for requests in flight before it cancels them.
  public var gracePeriod: Duration
  /// What the grace period is measured on.
  public var graceClock: any Clock<Duration>
  /// What a peer may make the server hold.
  public var limits: ServerLimits
  /// Whether the service answers on the event loops: faster for one that computes little and never
  /// blocks, since no request changes threads; the cooperative pool otherwise.
  public var runsOnEventLoops: Bool
  /// Makes the answer to a request that the server refuses by itself; without a body by default.
  ///
  /// The connection ends after it, but for ``RequestError/invalidHost``, where it goes on unless the
  /// response has `Connection: close`.
  public var errorResponse: @Sendable (RequestError) -> WebResponse
  /// Answers a request that expects `100 Continue` by its head alone (RFC 9110 §10.1.1).
  ///
  /// The client sends its body when this returns nil, which it always does by default.
  public var answerBeforeBody: (@Sendable (WebRequest) -> WebResponse?)?
  /// Where the server logs; silent by default.
  public var logger: Logger

  /// Makes a configuration; every default suits a test.
  public init(
    host: String = "127.0.0.1", port: Int = 0, maximumBodyBytes: Int = 1 << 20,
    oversizedBody: OversizedBody = .refuse, serviceName: String = "server",
    gracePeriod: Duration = .seconds(2), graceClock: any Clock<Duration> = ContinuousClock(),
    limits: ServerLimits = ServerLimits(), runsOnEventLoops: Bool = false,
    errorResponse: @escaping @Sendable (RequestError) -> WebResponse = {
      WebResponse(status: $0.status, headers: [.connection: "close"])
    },
    answerBeforeBody: (@Sendable (WebRequest) -> WebResponse?)? = nil, logger: Logger? = nil
  ) {
    precondition((0...65535).contains(port), "port \(port) is outside 0…65535")
    precondition(maximumBodyBytes >= 0, "maximumBodyBytes \(maximumBodyBytes) is negative")
    self.host = host
    self.port = port
    self.maximumBodyBytes = maximumBodyBytes
    self.oversizedBody = oversizedBody
    self.serviceName = serviceName
    self.gracePeriod = gracePeriod
    self.graceClock = graceClock
    self.limits = limits
    self.runsOnEventLoops = runsOnEventLoops
    self.errorResponse = errorResponse
    self.answerBeforeBody = answerBeforeBody
    self.logger = logger ?? Logger(label: serviceName) { _ in SwiftLogNoOpLogHandler() }
  }
}

/// What a server finds wrong with a request by itself, before a service sees it.
public enum RequestError: Error, Sendable, Hashable, CaseIterable, CustomStringConvertible {
  /// The request is not HTTP, has no sound method, or breaks off.
  case malformed
  /// It has no `Host` field in HTTP/1.1, or several, or one that is no host (RFC 9112 §3.2).
  case invalidHost
  /// Its header is longer than ``ServerLimits/headerBytes``.
  case headerTooLong

  /// The status that says so.
  public var status: HTTPResponse.Status {
    self == .headerTooLong ? .requestHeaderFieldsTooLarge : .badRequest
  }

  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .malformed: "the request is not HTTP, or breaks off"
    case .invalidHost: "an HTTP/1.1 request has exactly one Host field"
    case .headerTooLong: "the header of the request is too long"
    }
  }
}

/// What a server lets a peer make it hold: bytes, connections, time.
public struct ServerLimits: Sendable {
  /// The longest head of a request, in bytes of its header fields: a longer one is answered 431.
  public var headerBytes: Int
  /// The most connections at a time: one more is answered 503 and closed.
  public var connections: Int
  /// How long a request may take to arrive, from its first byte to its last, and its answer to be
  /// read, or each piece of a streamed answer; then the connection is closed.
  public var requestTime: Duration
  /// How long a connection may be idle between requests; then it is closed.
  public var idleTime: Duration
  /// What both are measured on.
  public var clock: any Clock<Duration>

  /// Makes limits; every default is far above what an honest client needs.
  public init(
    headerBytes: Int = 32 << 10, connections: Int = 20_000, requestTime: Duration = .seconds(30),
    idleTime: Duration = .seconds(300), clock: any Clock<Duration> = ContinuousClock()
  ) {
    precondition(headerBytes > 0, "headerBytes \(headerBytes) is not above zero")
    precondition(connections > 0, "connections \(connections) is not above zero")
    precondition(requestTime > .zero, "requestTime \(requestTime) is not above zero")
    precondition(idleTime > .zero, "idleTime \(idleTime) is not above zero")
    self.headerBytes = headerBytes
    self.connections = connections
    self.requestTime = requestTime
    self.idleTime = idleTime
    self.clock = clock
  }
}
