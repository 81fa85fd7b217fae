import EthereumClient
public import EthereumPrimitives
public import Logging
public import PlumiseWire
public import ServiceLifecycle

/// An agent's whole life on the chain: it registers, then beats and claims until it is shut down.
///
/// Nothing that goes wrong ends it: a registration is tried again until it is done, a heartbeat or
/// a claim comes again at its time. A chain that has forgotten the agent, after a reset or a
/// reorganisation, is told of it anew when it reverts a heartbeat.
public struct AgentService: Service {
  /// How often things are done.
  public struct Schedule: Hashable, Sendable {
    /// From one heartbeat to the next.
    public var heartbeatInterval: Duration
    /// From one look at the pending reward to the next; nil for no claims.
    public var claimInterval: Duration?
    /// Claims wait until so much is pending, in wei.
    public var claimThreshold: Word
    /// The pause after a registration that failed.
    public var patience: Duration

    /// Makes a schedule; by default heartbeats come every 120 s, and nothing is claimed.
    public init(
      heartbeatInterval: Duration = HeartbeatService.defaultInterval,
      claimInterval: Duration? = nil, claimThreshold: Word = 1, patience: Duration = .seconds(5)
    ) {
      precondition(claimInterval.map { $0 > .zero } ?? true, "claims are some time apart")
      precondition(patience > .zero, "patience is some time, not \(patience)")
      self.heartbeatInterval = heartbeatInterval
      self.claimInterval = claimInterval
      self.claimThreshold = claimThreshold
      self.patience = patience
    }
  }

  private let agent: ChainAgent
  private let registration: AgentRegistration
  private let schedule: Schedule
  private let clock: any Clock<Duration>
  private let logger: Logger

  /// - Parameters:
  ///   - agent: who lives.
  ///   - registration: its name, model and capabilities.
  ///   - schedule: how often things are done.
  ///   - clock: what the intervals are measured on.
  ///   - logger: silent by default.
  public init(
    _ agent: ChainAgent, registration: AgentRegistration, schedule: Schedule = Schedule(),
    clock: any Clock<Duration> = ContinuousClock(), logger: Logger? = nil
  ) {
    self.agent = agent
    self.registration = registration
    self.schedule = schedule
    self.clock = clock
    self.logger = logger ?? Logger(label: "agent") { _ in SwiftLogNoOpLogHandler() }
  }

  /// Lives until the service is shut down gracefully, or its task is cancelled.
  public func run() async throws {
    do {
      try await cancelWhenGracefulShutdown { try await live() }
    } catch is CancellationError {
      logger.debug("the agent's service ends")
    }
  }

  private func live() async throws {
    try await register()
    let heartbeats = HeartbeatService(
      agent, interval: schedule.heartbeatInterval, clock: clock, logger: logger
    ) { try await registerIfForgotten() }
    try await withThrowingTaskGroup { group in
      group.addTask { try await heartbeats.run() }
      if let interval = schedule.claimInterval {
        group.addTask { try await claim(every: interval) }
      }
      try await group.waitForAll()
    }
  }

  private func register() async throws {
    while true {
      do {
        _ = try await agent.register(registration)
        return
      } catch let error where !(error is CancellationError) {
        logger.warning("registration failed", metadata: ["error": "\(error)"])
        try await clock.sleep(for: schedule.patience)
      }
    }
  }

  /// - Returns: whether the agent was forgotten, and is registered again.
  private func registerIfForgotten() async throws -> Bool {
    do {
      guard try await !agent.status().isRegistered else { return false }
    } catch let error as EthereumClientError {
      logger.warning("the agent's status is not known", metadata: ["error": "\(error)"])
      return false
    }
    logger.notice("the chain does not know the agent any more")
    try await register()
    return true
  }

  private func claim(every interval: Duration) async throws {
    while true {
      try await clock.sleep(for: interval)
      do {
        if let receipt = try await agent.claimReward(above: schedule.claimThreshold) {
          logger.info("claimed", metadata: ["transaction": "\(receipt.transactionHash)"])
        }
      } catch let error where !(error is CancellationError) {
        logger.warning("claim failed", metadata: ["error": "\(error)"])
      }
    }
  }
}
