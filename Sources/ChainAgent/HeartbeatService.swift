import EthereumClient
public import Logging
public import ServiceLifecycle

/// Beats at once and then at an interval, until the service is shut down.
///
/// A heartbeat that fails is logged, and the next one comes at its time: the chain forgives a few.
/// ``AgentService`` does more: it registers an agent that the chain has forgotten.
public struct HeartbeatService: Service {
  /// What is done besides beating.
  struct Care: Sendable {
    /// A heartbeat is in a block.
    var beaten: @Sendable (Receipt) -> Void = { _ in }
    /// Removes the reason of a failure, if it can: says whether to beat again at once.
    var recover: @Sendable (any Error) async throws -> Bool = { _ in false }
    /// The pause after so many failures in a row.
    var pause: @Sendable (any Error, Int) -> Duration
  }

  private let agent: ChainAgent
  private let interval: Duration
  private let clock: any Clock<Duration>
  private let logger: Logger
  private let care: Care

  /// The default interval: an agent counts as active for 300 s after a heartbeat, so that one may
  /// be lost.
  public static let defaultInterval: Duration = .seconds(120)

  /// - Parameters:
  ///   - agent: who beats.
  ///   - interval: from one heartbeat to the next.
  ///   - clock: what the interval is measured on.
  ///   - logger: silent by default.
  public init(
    _ agent: ChainAgent, interval: Duration = HeartbeatService.defaultInterval,
    clock: any Clock<Duration> = ContinuousClock(), logger: Logger? = nil
  ) {
    let logger = logger ?? Logger(label: "heartbeat") { _ in SwiftLogNoOpLogHandler() }
    let care = Care(pause: { error, _ in
      logger.warning("heartbeat failed", metadata: ["error": "\(error)"])
      return interval
    })
    self.init(agent, interval: interval, clock: clock, logger: logger, care: care)
  }

  init(
    _ agent: ChainAgent, interval: Duration, clock: any Clock<Duration>, logger: Logger, care: Care
  ) {
    precondition(interval > .zero, "heartbeats are some time apart, not \(interval)")
    self.agent = agent
    self.interval = interval
    self.clock = clock
    self.logger = logger
    self.care = care
  }

  /// Beats until the service is shut down gracefully, or its task is cancelled.
  public func run() async throws {
    do {
      try await cancelWhenGracefulShutdown { try await beatForever() }
    } catch is CancellationError {
      logger.debug("heartbeats end")
    }
  }

  private func beatForever() async throws {
    var failures = 0
    // A recovery that does not help is not tried again without a pause.
    var hasRecovered = false
    while true {
      var pause = interval
      do {
        care.beaten(try await agent.heartbeat())
        (failures, hasRecovered) = (0, false)
      } catch let error where !(error is CancellationError) {
        hasRecovered = hasRecovered ? false : try await care.recover(error)
        if hasRecovered { continue }
        failures += 1
        pause = care.pause(error, failures)
      }
      try await clock.sleep(for: pause)
    }
  }
}
