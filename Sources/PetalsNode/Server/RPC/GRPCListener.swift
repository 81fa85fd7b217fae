import GRPCCore
import GRPCNIOTransportHTTP2
import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A gRPC server that lives as long as a body runs.
struct GRPCListener {
  let endpoint: NodeConfiguration.Endpoint
  let largestRequest: Int
  let keepalive: NodeConfiguration.Keepalive
  let gracePeriod: Duration
  let clock: any Clock<Duration>
  /// Where its connections live.
  let thread: EventLoopExecutor

  /// What a node serves: its own service, and the network's.
  static func services(
    of server: BlockServer, generator: TextGenerator, connections: AgentConnections,
    handOver: HandOver?, _ configuration: NodeConfiguration, clock: any Clock<Duration>
  ) -> [any RegistrableRPCService] {
    [
      PetalsNodeService(
        server: server, sessionIdleLimit: configuration.sessionIdleLimit, handOver: handOver,
        clock: clock),
      InferencePipelineService(
        server: server, generator: generator, pipeline: generator.pipeline,
        connections: connections, clientTimeout: configuration.clientTimeout, clock: clock),
    ]
  }

  /// Serves while the body runs; the port is free when this returns.
  ///
  /// Calls in flight have the grace period to finish. Then they are cut off, and their connections closed.
  /// - Throws: ``NodeStartError`` when it cannot listen; what the body throws.
  func run(
    _ services: [any RegistrableRPCService], _ body: (PeerAddress) async throws -> Void
  ) async throws {
    let connections = AcceptedConnections()
    let transport = HTTP2ServerTransport.Posix.petals(
      on: try await endpoint.socketAddress(), largestRequest: largestRequest,
      keepalive: keepalive, thread: thread, onAccept: connections.add)
    let server = GRPCServer(transport: transport, services: services)
    // Not a child task: a cancelled caller must still get a graceful stop. It always ends below.
    let serving = Task(executorPreference: thread) { try await server.serve() }
    let outcome: Result<Void, any Error>
    do {
      outcome = .success(try await body(bound(transport, serving)))
    } catch {
      outcome = .failure(error)
    }
    server.beginGracefulShutdown()
    await serving.waitForEnd(within: gracePeriod, on: clock, orElse: connections.close)
    try outcome.get()
  }

  private func bound(
    _ transport: HTTP2ServerTransport.Posix, _ serving: Task<Void, any Error>
  ) async throws -> PeerAddress {
    do {
      let address = try await transport.listeningAddress
      let port = address.ipv4?.port ?? address.ipv6?.port ?? endpoint.port
      return try PeerAddress(host: endpoint.host, port: port)
    } catch {
      // The transport only says that it stopped; the server knows why.
      try await endpoint.mappingErrors { try await serving.value }
      throw error
    }
  }
}

/// The connections that a server has accepted.
///
/// They are closed before the server's task is cancelled (`grpc-swift-nio-transport` 2.9.2), for two reasons.
/// A cancelled server waits for each call that has sent its status until the client has ended its side as well
/// (`handleStream`): behind a way that is held, or a client that is suspended, it never does. And a connection
/// or a stream that nobody has taken from its queue when the task is cancelled is dropped while it is open,
/// which is a precondition failure (`NIOAsyncWriter`).
private final class AcceptedConnections: Sendable {
  private struct State {
    var open: [ObjectIdentifier: any Channel] = [:]
    var isClosed = false
  }

  private let state = Mutex(State())

  /// Takes a new connection in; closes it after ``close()``.
  func add(_ channel: any Channel) -> EventLoopFuture<Void> {
    let id = ObjectIdentifier(channel)
    let isClosed = state.withLock { state in
      if !state.isClosed { state.open[id] = channel }
      return state.isClosed
    }
    if isClosed { channel.close(promise: nil) }
    channel.closeFuture.whenComplete { [weak self] _ in
      self?.state.withLock { $0.open[id] = nil }
    }
    return channel.eventLoop.makeSucceededVoidFuture()
  }

  /// Closes all connections, and those that come from here on.
  func close() async {
    let open = state.withLock { state in
      state.isClosed = true
      return Array(state.open.values)
    }
    for channel in open { channel.close(promise: nil) }
    // The future of a channel's end never fails.
    for channel in open { try? await channel.closeFuture.get() }
  }
}

extension Task where Success == Void, Failure == any Error {
  /// Waits for the end of a server, and cancels it after a while.
  ///
  /// How it ended is of no interest any more: it was told to.
  /// - Parameter cutOff: Ends what must have ended before the cancellation.
  func waitForEnd(
    within limit: Duration, on clock: any Clock<Duration>,
    orElse cutOff: @escaping @Sendable () async -> Void
  ) async {
    // Neither is a child task: both waits must happen though the caller was cancelled.
    let backstop = Task<Void, Never> {
      do {
        try await clock.sleep(for: limit)
        await cutOff()
        self.cancel()
      } catch {
        // Cancelled: the server ended by itself.
      }
    }
    _ = await result
    backstop.cancel()
    await backstop.value
  }
}

extension NodeConfiguration.Endpoint {
  /// The address to listen on; a name is looked up.
  ///
  /// - Throws: ``NodeStartError/cannotListen(host:port:reason:)`` for a name without an address.
  func socketAddress() async throws -> GRPCNIOTransportHTTP2.SocketAddress {
    if host.isIPv4 { return .ipv4(host: host, port: port) }
    if host.contains(":") { return .ipv6(host: host, port: port) }
    let resolved = try await mappingErrors {
      try await runBlocking { [host, port] in
        try NIOCore.SocketAddress.makeAddressResolvingHost(host, port: port)
      }
    }
    guard let address = resolved.ipAddress else {
      throw NodeStartError.cannotListen(host: host, port: port, reason: "it has no address")
    }
    return address.isIPv4 ? .ipv4(host: address, port: port) : .ipv6(host: address, port: port)
  }

  /// Puts the system's reasons for not listening into words.
  func mappingErrors<Output: Sendable>(
    _ work: () async throws -> Output
  ) async throws -> Output {
    do {
      return try await work()
    } catch let error as NodeStartError {
      throw error
    } catch {
      throw startError(error)
    }
  }

  private func startError(_ error: any Error) -> NodeStartError {
    // gRPC wraps the system's error.
    if let runtime = error as? RuntimeError, let cause = runtime.cause {
      return startError(cause)
    }
    if let system = error as? IOError, system.errnoCode == EADDRINUSE {
      return .portInUse(host: host, port: port)
    }
    return .cannotListen(host: host, port: port, reason: "\(error)")
  }
}
