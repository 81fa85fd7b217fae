import EthereumClient
import EthereumPrimitives
public import Logging
public import PlumiseWire
public import ServiceLifecycle

/// An agent's whole life on the chain: it registers, then beats, proves and claims until it is shut
/// down.
///
/// Nothing that goes wrong ends it. A registration is tried again until it is done, a heartbeat after
/// a pause that doubles with each failure in a row up to a bound, a claim at its next time. A chain
/// that has forgotten the agent, after a restart without its state, a reset or a reorganisation, is
/// told of it anew as soon as it refuses or reverts anything that the agent sends.
public struct AgentService: Service {
  private let agent: ChainAgent
  private let registration: AgentRegistration
  private let schedule: Schedule
  private let proofs: AsyncStream<InferenceProof>?
  private let clock: any Clock<Duration>
  private let logger: Logger
  private let onEvent: @Sendable (AgentEvent) -> Void

  /// - Parameters:
  ///   - agent: who lives.
  ///   - registration: its name, model and capabilities.
  ///   - schedule: how often things are done.
  ///   - proofs: what the agent proves to the chain, each once; nil for nothing. Those that come
  ///     before the agent is registered wait.
  ///   - clock: what the intervals are measured on.
  ///   - logger: silent by default.
  ///   - onEvent: gets everything that happens, in its order and before the service goes on.
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

  /// Lives until the service is shut down gracefully, or its task is cancelled.
  public func run() async throws {
    do {
      try await cancelWhenGracefulShutdown { try await live() }
    } catch is CancellationError {
      logger.debug("the agent's service ends")
    }
  }

  private func live() async throws {
    // Heartbeats, proofs and claims may find out at the same time that the agent is forgotten.
    let registering = SharedOperation { try await register() }
    try await registering.value()
    let heartbeats = HeartbeatService(
      agent, interval: schedule.heartbeatInterval, clock: clock, logger: logger,
      care: .init(
        beaten: { tell(.heartbeat($0)) },
        recover: { try await registerIfForgotten(after: $0, registering) },
        pause: { error, failures in
          let pause = schedule.pause(after: failures, error)
          tell(.heartbeat, error, failures: failures, pause: pause)
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
        tell(.registered(try await agent.register(registration)))
        return
      } catch let error where !(error is CancellationError) {
        failures += 1
        let pause = schedule.pause(after: failures, error)
        tell(.registration, error, failures: failures, pause: pause)
        try await clock.sleep(for: pause)
      }
    }
  }

  /// - Parameter error: what the chain said to something else.
  /// - Returns: whether the agent was forgotten, and is registered again.
  private func registerIfForgotten(
    after error: any Error, _ registering: SharedOperation<Void>
  ) async throws -> Bool {
    switch ChainFailureKind(error) {
    case .refusal, .revert, .timeOut: break
    // Nobody answered who could have forgotten the agent.
    case .outage, .misconfiguration, .cancellation, nil: return false
    }
    do {
      guard try await !agent.status().isRegistered else { return false }
    } catch let error as EthereumClientError {
      tell(.status, error)
      return false
    }
    tell(.forgotten)
    try await registering.value()
    return true
  }

  /// Does something, and does it once more if the agent was forgotten and is registered again.
  private func surely<R>(
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
        let receipt = try await surely(registering) { try await agent.verifyInference(proof) }
        tell(.verified(proof, receipt))
      } catch let error where !(error is CancellationError) {
        tell(.proof(proof.proofHash), error)
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
        let receipt = try await surely(registering) {
          try await agent.claimReward(above: schedule.claimThreshold)
        }
        failures = 0
        if let receipt { tell(.claimed(receipt)) }
      } catch let error where !(error is CancellationError) {
        failures += 1
        tell(.claim, error, failures: failures, pause: interval)
      }
    }
  }

  // MARK: - Telling

  private func tell(
    _ work: AgentTrouble.Work, _ error: any Error, failures: Int = 1, pause: Duration? = nil
  ) {
    tell(
      .trouble(
        AgentTrouble(
          work: work, agent: agent.address, error: error, failures: failures, pause: pause)))
  }

  private func tell(_ event: AgentEvent) {
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
    case .trouble(let trouble): logger.warning("\(trouble)")
    }
    onEvent(event)
  }
}
