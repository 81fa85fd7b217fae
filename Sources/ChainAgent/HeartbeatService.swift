import AsyncPrimitives
import EthereumClient
public import Logging
public import ServiceLifecycle

/// Sends a heartbeat at once and then at an interval, until the service is shut down.
///
/// A heartbeat that fails is logged, and the next one is sent on schedule: an agent stays active when
/// one is lost. ``AgentService`` also registers an agent again that the chain no longer has.
public struct HeartbeatService: Service {
  /// What ``AgentService`` adds to the heartbeats.
  struct Hooks: Sendable {
    /// Called when a heartbeat is in a block.
    var onHeartbeat: @Sendable (Receipt) -> Void = { _ in }
    /// Removes the cause of a failure; returns whether to send a heartbeat again at once.
    var recover: @Sendable (any Error) async throws -> Bool = { _ in false }
    /// The delay after so many failures in a row.
    var pause: @Sendable (any Error, Int) -> Duration
  }

  private let agent: ChainAgent
  private let interval: Duration
  private let clock: any Clock<Duration>
  private let logger: Logger
  private let hooks: Hooks

  /// The default interval: an agent counts as active for 300 s after a heartbeat, so that one may
  /// be lost.
  public static let defaultInterval: Duration = .seconds(120)

  /// - Parameters:
  ///   - agent: the agent whose heartbeats are sent.
  ///   - interval: from one heartbeat to the next.
  ///   - clock: what the interval is measured on.
  ///   - logger: silent by default.
  public init(
    _ agent: ChainAgent, interval: Duration = HeartbeatService.defaultInterval,
    clock: any Clock<Duration> = ContinuousClock(), logger: Logger? = nil
  ) {
    let logger = logger ?? Logger(label: "heartbeat") { _ in SwiftLogNoOpLogHandler() }
    let hooks = Hooks(pause: { error, _ in
      logger.warning("heartbeat failed", metadata: ["error": "\(error)"])
      return interval
    })
    self.init(agent, interval: interval, clock: clock, logger: logger, hooks: hooks)
  }

  init(
    _ agent: ChainAgent, interval: Duration, clock: any Clock<Duration>, logger: Logger,
    hooks: Hooks
  ) {
    precondition(interval > .zero, "heartbeats are some time apart, not \(interval)")
    self.agent = agent
    self.interval = interval
    self.clock = clock
    self.logger = logger
    self.hooks = hooks
  }

  /// Runs until the service is shut down gracefully, or its task is cancelled.
  public func run() async throws {
    do {
      try await cancellingAtShutdown { try await sendHeartbeats() }
    } catch is CancellationError {
      logger.debug("heartbeats end")
    }
  }

  private func sendHeartbeats() async throws {
    var failures = 0
    // A recovery that does not help is not tried again without a pause.
    var hasRecovered = false
    while true {
      var pause = interval
      do {
        hooks.onHeartbeat(try await agent.heartbeat())
        (failures, hasRecovered) = (0, false)
      } catch let error where !(error is CancellationError) {
        hasRecovered = hasRecovered ? false : try await hooks.recover(error)
        if hasRecovered { continue }
        failures += 1
        pause = hooks.pause(error, failures)
      }
      try await clock.sleep(for: pause)
    }
  }
}

/// Runs an operation, and cancels it at a graceful shutdown.
///
/// ServiceLifecycle's `cancelWhenGracefulShutdown(_:)` does the same, and notices a cancellation in a task of
/// the global executor: who orders the tasks of a service does not see that one.
func cancellingAtShutdown(
  _ operation: @escaping @Sendable () async throws -> Void
) async throws {
  let (shutdown, continuation) = AsyncStream<Never>.makeStream()
  try await withGracefulShutdownHandler {
    // The stream ends at the shutdown, or when the task is cancelled: nothing is ever sent.
    try await race(operation, against: { for await _ in shutdown {} })
  } onGracefulShutdown: {
    continuation.finish()
  }
}
