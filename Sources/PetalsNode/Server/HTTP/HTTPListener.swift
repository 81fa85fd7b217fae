import AsyncPrimitives
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// An HTTP server that lives as long as a body runs.
struct HTTPListener {
  let endpoint: NodeConfiguration.Endpoint
  let gracePeriod: Duration
  let timeouts: ClientTimeouts
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
    let connections = HTTPConnections(timeouts)
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
      let port = try await endpoint.mappingErrors { try await bound.futureResult.get() }
      let address = try PeerAddress(host: endpoint.host, port: port ?? endpoint.port)
      outcome = .success(try await body(address))
    } catch {
      outcome = .failure(error)
    }
    // It fails when the listening socket cannot be closed, which then is closed already.
    let quiescing = Task { try await server.shutdownGracefully() }
    await serving.waitForEnd(within: gracePeriod, on: timeouts.clock)
    _ = await quiescing.result
    sweeping.cancel()
    await sweeping.value
    try outcome.get()
  }
}

/// The timeouts of an HTTP client.
struct ClientTimeouts: Sendable {
  /// For a whole request, or to take what it was sent.
  let limit: Duration
  /// For the next request on a connection.
  let idle: Duration
  let clock: any Clock<Duration>
}

/// The connections of an HTTP listener: those whose client keeps it waiting for too long are closed.
final class HTTPConnections: Sendable {
  /// What one connection waits for.
  final class Member: Sendable {
    enum Wait: Hashable, Sendable {
      /// For the node itself.
      case none
      /// For the client, which sends a request or takes an answer.
      case client
      /// For the next request.
      case request
    }

    fileprivate let channel: any Channel
    private let elapsed: @Sendable () -> Duration
    private let state: Mutex<(wait: Wait, since: Duration)>

    fileprivate init(_ channel: any Channel, elapsed: @escaping @Sendable () -> Duration) {
      self.channel = channel
      self.elapsed = elapsed
      state = Mutex((.request, elapsed()))
    }

    /// It waits for this from now on, if it did not before.
    func waits(for wait: Wait) {
      state.withLock { if $0.wait != wait { $0 = (wait, elapsed()) } }
    }

    fileprivate func isOverdue(_ timeouts: ClientTimeouts, at time: Duration) -> Bool {
      state.withLock { state in
        switch state.wait {
        case .none: false
        case .client: time - state.since >= timeouts.limit
        case .request: time - state.since >= timeouts.idle
        }
      }
    }
  }

  private let timeouts: ClientTimeouts
  private let time: Stopwatch
  private let members = Mutex<[ObjectIdentifier: Member]>([:])

  init(_ timeouts: ClientTimeouts) {
    self.timeouts = timeouts
    time = Stopwatch(timeouts.clock)
  }

  /// Watches a connection until it is closed.
  func add(_ channel: any Channel) -> Member {
    let member = Member(channel) { [time] in time.elapsed }
    let id = ObjectIdentifier(member)
    members.withLock { $0[id] = member }
    channel.closeFuture.whenComplete { _ in self.members.withLock { $0[id] = nil } }
    return member
  }

  /// Closes what is overdue, until the task is cancelled.
  func sweep() async {
    while true {
      do {
        try await timeouts.clock.sleep(for: min(timeouts.limit, timeouts.idle) / 4)
      } catch {
        // Only the cancellation ends a sleep before its time.
        return
      }
      let now = time.elapsed
      for member in members.withLock({ Array($0.values) })
      where member.isOverdue(timeouts, at: now) {
        member.channel.close(promise: nil)
      }
    }
  }
}

/// Notices that the client has ended its side of a connection.
///
/// It is there from the connection's first byte on, so that a client who leaves together with its
/// request is noticed as well.
final class ClientPresence: Sendable {
  private struct State {
    var hasLeft = false
    var whenLeft: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  /// Runs work for the client, and cancels it when the client leaves.
  /// - Throws: What the work throws; `CancellationError` when the client left.
  func during<Result: Sendable>(
    _ work: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try check()
    let (stream, continuation) = AsyncStream<Void>.makeStream()
    onLeave { continuation.finish() }
    defer { onLeave(nil) }
    return try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await work() }
      group.addTask {
        for await _ in stream {}
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let result = first else {
        throw CancellationError()
      }
      return result
    }
  }

  /// - Throws: `CancellationError` when the client has left.
  func check() throws {
    if state.withLock(\.hasLeft) { throw CancellationError() }
  }

  /// Calls back when the client has left, at once if it has already; nil calls nobody.
  private func onLeave(_ callback: (@Sendable () -> Void)?) {
    let hasLeft = state.withLock {
      $0.whenLeft = callback
      return $0.hasLeft
    }
    if hasLeft { callback?() }
  }

  private func leave() {
    let callback = state.withLock {
      $0.hasLeft = true
      return $0.whenLeft.take()
    }
    callback?()
  }
}

extension ClientPresence: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  func channelInactive(context: ChannelHandlerContext) {
    leave()
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .inputClosed? = event as? ChannelEvent { leave() }
    context.fireUserInboundEventTriggered(event)
  }

  /// The presence that watches a connection.
  /// - Throws: `CancellationError` when the connection is closed.
  static func on(_ connection: any Channel) async throws -> ClientPresence {
    do {
      return try await connection.pipeline.handler(type: ClientPresence.self).get()
    } catch {
      throw CancellationError()
    }
  }
}
