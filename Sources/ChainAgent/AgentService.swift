public import AsyncPrimitives
public import EthereumClient
public import EthereumPrimitives
public import Logging
public import PlumiseWire
public import ServiceLifecycle

/// Registers an agent, then sends heartbeats and proofs and claims rewards until it is shut down.
///
/// No failure ends it. A registration is retried until it succeeds, a heartbeat after a delay that
/// doubles with each failure in a row up to a bound, a claim at its next time. When a restart without
/// state, a reset or a reorganisation has removed the agent from the chain, it is registered again as
/// soon as the chain refuses or reverts a transaction of the agent.
public struct AgentService: Service {
  private let agent: ChainAgent
  private let registration: AgentRegistration
  private let schedule: Schedule
  private let proofs: AsyncStream<InferenceProof>?
  private let clock: any Clock<Duration>
  private let logger: Logger
  private let onEvent: @Sendable (AgentEvent) -> Void

  /// - Parameters:
  ///   - agent: the agent that is registered and kept active.
  ///   - registration: its name, model and capabilities.
  ///   - schedule: how often things are done.
  ///   - proofs: what the agent proves to the chain, each once; nil for nothing. Those that come
  ///     before the agent is registered wait.
  ///   - clock: what the intervals are measured on.
  ///   - logger: silent by default.
  ///   - onEvent: called with each event, in order, before the service continues.
  public init(
    _ agent: ChainAgent, registration: AgentRegistration, schedule: Schedule = Schedule(),
    proofs: AsyncStream<InferenceProof>? = nil, clock: any Clock<Duration> = ContinuousClock(),
    logger: Logger? = nil, onEvent: @escaping @Sendable (AgentEvent) -> Void = { _ in }
  ) {
    self.agent = agent
    self.registration = registration
    self.schedule = schedule
    self.proofs = proofs
    self.clock = clock
    self.logger = logger ?? Logger(label: "agent") { _ in SwiftLogNoOpLogHandler() }
    self.onEvent = onEvent
  }

  /// Runs until the service is shut down gracefully, or its task is cancelled.
  public func run() async throws {
    do {
      try await cancellingAtShutdown { try await runTasks() }
    } catch is CancellationError {
      logger.debug("the agent's service ends")
    }
  }

  private func runTasks() async throws {
    // Heartbeats, proofs and claims may find out at the same time that the agent is forgotten.
    let registering = SharedOperation(on: clock.monitor) { try await register() }
    try await registering.value()
    let heartbeats = HeartbeatService(
      agent, interval: schedule.heartbeatInterval, clock: clock, logger: logger,
      hooks: .init(
        onHeartbeat: { report(.heartbeat($0)) },
        recover: { try await registerIfForgotten(after: $0, registering) },
        pause: { error, failures in
          let pause = schedule.pause(after: failures, error)
          report(.heartbeat, error, failures: failures, pause: pause)
          return pause
        }))
    try await withThrowingTaskGroup { group in
      group.addTask { try await heartbeats.run() }
      if let proofs { group.addTask { try await prove(proofs, registering) } }
      if let interval = schedule.claimInterval {
        group.addTask { try await claim(every: interval, registering) }
      }
      try await group.waitForAll()
    }
  }

  private func register() async throws {
    var failures = 0
    while true {
      do {
        report(.registered(try await agent.register(registration)))
        return
      } catch let error where !(error is CancellationError) {
        failures += 1
        let pause = schedule.pause(after: failures, error)
        report(.registration, error, failures: failures, pause: pause)
        try await clock.sleep(for: pause)
      }
    }
  }

  /// - Parameter error: the error of another operation.
  /// - Returns: whether the chain had lost the agent, and it is registered again.
  private func registerIfForgotten(
    after error: any Error, _ registering: SharedOperation<Void>
  ) async throws -> Bool {
    switch (error as? ChainError)?.code {
    case .refused, .reverted, .timedOut: break
    // The chain gave no answer that could mean so.
    default: return false
    }
    do {
      guard try await !agent.status().isRegistered else { return false }
    } catch let error as ChainError {
      report(.status, error)
      return false
    }
    report(.forgotten)
    try await registering.value()
    return true
  }

  /// Runs an operation, and once more if the agent had to be registered again.
  private func retryingOnceRegistered<R>(
    _ registering: SharedOperation<Void>, _ work: () async throws -> R
  ) async throws -> R {
    do {
      return try await work()
    } catch let error where !(error is CancellationError) {
      guard try await registerIfForgotten(after: error, registering) else { throw error }
      return try await work()
    }
  }

  private func prove(
    _ proofs: AsyncStream<InferenceProof>, _ registering: SharedOperation<Void>
  ) async throws {
    for await proof in proofs {
      do {
        let receipt = try await retryingOnceRegistered(registering) {
          try await agent.verifyInference(proof)
        }
        report(.verified(proof, receipt))
      } catch let error where !(error is CancellationError) {
        report(.proof(proof.proofHash), error)
      }
    }
  }

  private func claim(
    every interval: Duration, _ registering: SharedOperation<Void>
  ) async throws {
    var failures = 0
    while true {
      try await clock.sleep(for: interval)
      do {
        let receipt = try await retryingOnceRegistered(registering) {
          try await agent.claimReward(above: schedule.claimThreshold)
        }
        failures = 0
        if let receipt { report(.claimed(receipt)) }
      } catch let error where !(error is CancellationError) {
        failures += 1
        report(.claim, error, failures: failures, pause: interval)
      }
    }
  }

  // MARK: - Reporting

  private func report(
    _ work: AgentFailure.Work, _ error: any Error, failures: Int = 1, pause: Duration? = nil
  ) {
    report(
      .failed(
        AgentFailure(
          work: work, agent: agent.address, error: error, failures: failures, pause: pause)))
  }

  private func report(_ event: AgentEvent) {
    switch event {
    case .registered(.registered(let receipt)):
      logger.info("registered", metadata: ["transaction": "\(receipt.transactionHash)"])
    case .registered(.alreadyRegistered): logger.info("registered already")
    case .forgotten: logger.notice("the chain does not know the agent any more")
    case .heartbeat(let receipt):
      logger.debug("heartbeat", metadata: ["transaction": "\(receipt.transactionHash)"])
    case .verified(let proof, let receipt):
      logger.info(
        "verified",
        metadata: ["proof": "\(proof.proofHash)", "transaction": "\(receipt.transactionHash)"])
    case .claimed(let receipt):
      logger.info("claimed", metadata: ["transaction": "\(receipt.transactionHash)"])
    case .failed(let failure): logger.warning("\(failure)")
    }
    onEvent(event)
  }
}

extension AgentService {
  /// The intervals of an agent's service.
  public struct Schedule: Hashable, Sendable {
    /// The interval between two heartbeats.
    public var heartbeatInterval: Duration
    /// The interval between two checks of the pending reward; nil for no claims.
    public var claimInterval: Duration?
    /// Claims wait until so much is pending, in wei.
    public var claimThreshold: Word
    /// The delays after registrations or heartbeats that failed.
    ///
    /// The longest is by default a heartbeat's interval of 120 s: what a chain refuses or reverts
    /// for good is not sent more often than heartbeats are, and it costs gas.
    public var backoff: Backoff
    /// What no delay exceeds while the chain cannot be reached: to look again costs nothing.
    public var maximumOutageDelay: Duration = .seconds(30)

    /// Makes a schedule; by default heartbeats come every 120 s, and nothing is claimed.
    public init(
      heartbeatInterval: Duration = HeartbeatService.defaultInterval,
      claimInterval: Duration? = nil, claimThreshold: Word = 1,
      backoff: Backoff = Backoff(
        initial: .seconds(5), maximum: HeartbeatService.defaultInterval, jitter: 0)
    ) {
      precondition(claimInterval.map { $0 > .zero } ?? true, "claims are some time apart")
      precondition(backoff.initial > .zero, "a retry comes after some time, not at once")
      self.heartbeatInterval = heartbeatInterval
      self.claimInterval = claimInterval
      self.claimThreshold = claimThreshold
      self.backoff = backoff
    }

    /// The delay after so many failures in a row, of which this is the last.
    func pause(after failures: Int, _ error: any Error) -> Duration {
      let isOutage = (error as? ChainError)?.isOutage == true
      let delay = backoff.delay(after: failures)
      return isOutage ? min(delay, maximumOutageDelay) : delay
    }
  }
}

/// An event of an agent's service.
public enum AgentEvent: Sendable {
  /// The agent is registered, for the first time or again.
  case registered(RegistrationOutcome)
  /// The chain has lost the agent, which is registered again.
  case forgotten
  /// A heartbeat is in a block.
  case heartbeat(Receipt)
  /// An inference was proved.
  case verified(InferenceProof, Receipt)
  /// A pending reward was claimed.
  case claimed(Receipt)
  /// An operation failed; the service continues.
  case failed(AgentFailure)
}

/// An operation of an agent's service that failed, and when it is retried.
public struct AgentFailure: Sendable, CustomStringConvertible {
  /// The operation that failed.
  public enum Work: Sendable, Hashable {
    /// Registering the agent.
    case registration
    /// Sending a heartbeat.
    case heartbeat
    /// Proving an inference; it is not retried, as the oracle gets the proof all the same.
    case proof(Hash32)
    /// Claiming a reward.
    case claim
    /// Asking the chain whether the agent is still registered.
    case status
  }

  /// The operation that failed.
  public let work: Work
  /// The agent.
  public let agent: Address
  /// Why it failed: a `ChainError`, unless the client's transport throws errors of its own.
  public let error: any Error
  /// How often in a row the same work has failed, this time included.
  public let failures: Int
  /// The delay before the retry; nil when there is none.
  public let pause: Duration?

  /// One line: what failed, why, and what happens next.
  public var description: String {
    var text =
      switch work {
      case .registration: "the registration failed"
      case .heartbeat: "the heartbeat failed"
      case .proof(let hash): "proof \(hash.hex) was not verified"
      case .claim: "the claim failed"
      case .status: "the agent's status is not known"
      }
    if failures > 1 { text += " (\(failures) times in a row)" }
    text += ": \(error)"
    if needsCoins { text += "; send coins to \(agent.checksummed)" }
    if let pause { text += "; the next attempt is in \(pause)" }
    return text
  }

  /// Whether the account cannot pay for the transaction.
  public var needsCoins: Bool {
    guard let error = error as? ChainError, error.code == .refused else { return false }
    return error.failure?.message.hasPrefix("insufficient funds") == true
  }
}

extension AgentRegistration {
  /// How a node registers its agent: by the name that the network's nodes give themselves.
  /// - Parameters:
  ///   - model: What the node serves.
  ///   - agent: Its account.
  public static func ofNode(serving model: String, as agent: Address) -> AgentRegistration {
    AgentRegistration(
      name: defaultName(model: model, agent: agent), modelHash: Keccak256.hash(model))
  }
}
