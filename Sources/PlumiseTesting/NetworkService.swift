import AsyncPrimitives
import MockServing
import Synchronization

/// A service of a network, which serves in a task of its own: one server after the other, on one port.
final class NetworkService<Service: Sendable>: Sendable {
  /// Serves while a body runs.
  typealias Serve =
    @Sendable (
      _ service: Service, _ port: Int, _ grace: GraceClock,
      _ body: @Sendable (ServerAddress) async throws -> Void
    ) async throws -> Void

  private struct State: Sendable {
    var service: Service?
    var server: ServiceTask?
    var address: ServerAddress?
    /// Keeps the port while nothing listens there.
    var reservation: PortReservation?
  }

  private let state = Mutex(State())
  private let make: @Sendable () -> Service
  private let serve: Serve
  private let turn = AsyncLock()

  /// A service that is made when it is started for the first time.
  init(_ make: @escaping @Sendable () -> Service, serve: @escaping Serve) {
    self.make = make
    self.serve = serve
  }

  /// The service that was made last; nil before the first start.
  var latest: Service? { state.withLock { $0.service } }

  /// The service that was made last.
  /// - Precondition: It was started.
  var service: Service {
    guard let latest else { preconditionFailure("a service is there once it was started") }
    return latest
  }

  /// Whether it serves.
  var isRunning: Bool { state.withLock { $0.server != nil } }

  /// Where it serves, or did.
  /// - Precondition: It was started.
  var address: ServerAddress {
    guard let address = state.withLock({ $0.address }) else {
      preconditionFailure("a service has an address once it was started")
    }
    return address
  }

  /// Starts it, unless it runs.
  /// - Throws: what serving throws.
  func start() async throws {
    try await turn.withLock { try await startServer() }
  }

  /// Ends it, unless it does not run: its port is refused when this returns.
  /// - Parameter kills: Whether what is under way is broken off, in place of finished.
  func end(kills: Bool) async {
    await turn.lock()
    await endServer(kills: kills)
    turn.unlock()
  }

  /// Starts it on its port, unless it runs.
  /// - Parameters:
  ///   - keepingState: Whether the same service goes on; else a new one is made.
  ///   - prepare: Gets the new one before it serves.
  /// - Throws: what serving throws; the service does not run then.
  func restart(keepingState: Bool, prepare: @Sendable (Service) -> Void) async throws {
    try await turn.withLock {
      if !keepingState, !isRunning {
        let fresh = make()
        prepare(fresh)
        state.withLock { $0.service = fresh }
      }
      try await startServer()
    }
  }

  private func startServer() async throws {
    let (port, isRunning) = state.withLock { ($0.address?.port ?? 0, $0.server != nil) }
    guard !isRunning else { return }
    let service = latest ?? make()
    state.withLock { $0.service = service }
    let server = ServiceTask { [serve] in try await serve(service, port, $0, $1) }
    let address = try await server.waitUntilServing()
    state.withLock { state in
      state.server = server
      state.address = address
      state.reservation = nil
    }
  }

  private func endServer(kills: Bool) async {
    let server = state.withLock { state in
      defer { state.server = nil }
      return state.server
    }
    guard let server else { return }
    await server.end(kills: kills)
    state.withLock { $0.reservation = PortReservation(of: $0.address?.port ?? 0) }
  }

  /// Ends it for good, and gives its port back.
  func close() async {
    await end(kills: false)
    state.withLock { $0.reservation = nil }
  }
}

/// A task that serves until it is ended.
private final class ServiceTask: Sendable {
  private enum Phase: Sendable {
    case starting
    case serving(ServerAddress)
    case ending
    case ended
  }

  private let phase: AsyncState<Phase>
  private let grace: GraceClock
  private let task: Task<Void, any Error>

  init(
    _ serve:
      @escaping @Sendable (
        GraceClock, @Sendable (ServerAddress) async throws -> Void
      ) async throws -> Void
  ) {
    let (phase, grace) = (AsyncState(Phase.starting), GraceClock())
    self.phase = phase
    self.grace = grace
    // Not a child task: it serves until `end`, also when whoever started it was cancelled.
    task = Task {
      defer { phase.update { $0 = .ended } }
      try await serve(grace) { address in
        phase.update { phase in
          if case .starting = phase { phase = .serving(address) }
        }
        try await phase.wait { if case .ending = $0 { true } else { false } }
      }
    }
  }

  /// Waits until it serves; a task that does not, or whose caller is cancelled, has ended then.
  /// - Throws: what serving throws, or `CancellationError`.
  func waitUntilServing() async throws -> ServerAddress {
    do {
      let reached = try await phase.wait { if case .starting = $0 { false } else { true } }
      if case .serving(let address) = reached { return address }
      try await task.value
      throw CancellationError()
    } catch {
      await end(kills: true)
      throw error
    }
  }

  func end(kills: Bool) async {
    if kills { grace.expire() }
    phase.update { phase in
      if case .ended = phase { return }
      phase = .ending
    }
    // How it ended is of no interest: it was told to.
    _ = await task.result
  }
}
