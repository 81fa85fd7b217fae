import AsyncPrimitives
public import ChainAgent
public import EthereumPrimitives
public import InferenceMetrics
public import OracleReporter
public import PetalsNode
public import PlumiseWire

/// One node of a network, with its agent and its reporter.
public struct NetworkNode: Sendable {
  /// Serves the blocks; it is ready.
  public let node: PetalsNode
  /// The address for clients: its own, or that of its link.
  public let peer: PeerAddress
  /// The proxy in front of it, if the plan has faulty links.
  public let link: FaultyLink?
  /// The agent's key; its account has 10 000 PLM, that of a newest agent nothing.
  public let key: SecretKey
  /// The agent on the network's chain; it is not registered yet.
  public let agent: ChainAgent
  /// Reports to the network's oracle; it is not started, unless the node is a newest agent.
  public let reporter: OracleReporter
  /// The network's clock.
  let clock: ManualClock

  /// What the node has counted.
  public var metrics: MetricsCollector { node.metrics }
  /// The agent's address.
  public var address: Address { key.address }
  /// The base URL of its HTTP API; nil for a node without one.
  public var httpURL: String? { node.httpAddress.map { "http://\($0)" } }

  /// Registers the agent on the chain, by the name that the network's nodes give themselves.
  ///
  /// - Throws: `ChainError`.
  @discardableResult
  public func register() async throws -> RegistrationOutcome {
    try await agent.register(registration)
  }

  /// The registration of the agent.
  public var registration: AgentRegistration {
    .ofNode(serving: node.configuration.checkpoint.name, as: address)
  }

  /// The agent's service, as `petals-e2e node` runs it: it registers, sends heartbeats, and submits
  /// proofs of what the node generates from this call on.
  ///
  /// A task of the test runs it, or the network itself (``NetworkPlan/runsServices``); its intervals are
  /// measured on the network's clock.
  /// - Parameters:
  ///   - schedule: The intervals.
  ///   - onEvent: Called with each event.
  public func service(
    schedule: AgentService.Schedule = AgentService.Schedule(),
    onEvent: @escaping @Sendable (AgentEvent) -> Void = { _ in }
  ) -> AgentService {
    AgentService(
      agent, registration: registration, schedule: schedule, proofs: metrics.proofs.arrivals(),
      clock: clock, onEvent: onEvent)
  }
  /// Registers the agent, and runs its service and the reporter while a body runs.
  func withServices<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
  ) async throws -> Result {
    try await register()
    let service = service()
    // Not a child task: the service has to end though the caller was cancelled. It always does below.
    let running = Task(executorPreference: clock.monitor) { try await service.run() }
    let outcome: Swift.Result<Result, any Error>
    do {
      try await reporter.start()
      outcome = .success(try await body())
    } catch {
      outcome = .failure(error)
    }
    running.cancel()
    let end = await running.result
    let result = try outcome.get()
    try end.get()
    return result
  }
}
