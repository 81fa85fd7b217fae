public import Logging
public import ServiceLifecycle

/// Beats at once and then at an interval, until the service is shut down.
///
/// A heartbeat that fails is logged, and the next one comes at its time: the chain forgives a few.
public struct HeartbeatService: Service {
  private let agent: ChainAgent
  private let interval: Duration
  private let clock: any Clock<Duration>
  private let logger: Logger
  /// What is done when the chain took a heartbeat and reverted it: says whether to beat again now.
  private let recover: @Sendable () async throws -> Bool

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
    self.init(agent, interval: interval, clock: clock, logger: logger) { false }
  }

  init(
    _ agent: ChainAgent, interval: Duration, clock: any Clock<Duration>, logger: Logger?,
    afterRevert recover: @escaping @Sendable () async throws -> Bool
  ) {
    precondition(interval > .zero, "heartbeats are some time apart, not \(interval)")
    self.agent = agent
    self.interval = interval
    self.clock = clock
    self.logger = logger ?? Logger(label: "heartbeat") { _ in SwiftLogNoOpLogHandler() }
    self.recover = recover
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
    while true {
      do {
        try await agent.heartbeat()
      } catch ChainAgentError.reverted(let receipt, let reason) {
        logger.warning(
          "heartbeat was reverted",
          metadata: ["block": "\(receipt.blockNumber)", "reason": "\(reason ?? "unknown")"])
        if try await recover() { continue }
      } catch let error where !(error is CancellationError) {
        logger.warning("heartbeat failed", metadata: ["error": "\(error)"])
      }
      try await clock.sleep(for: interval)
    }
  }
}
