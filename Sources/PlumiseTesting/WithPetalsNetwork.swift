import AsyncPrimitives
public import MockWeb3

/// Runs a body with a fresh network: chain and oracle up, every node ready, every agent funded.
///
/// Nothing of it is left when this returns, whether the body returned, threw or was cancelled:
/// reporters are stopped, sessions are closed, ports are free. Reporters have sent their last report,
/// unless the task was cancelled, as by a test's time limit: then every fault is lifted and the
/// network's clock ends (``ManualClock/end()``), so that nothing waits for what nobody brings about.
///
/// - Parameters:
///   - plan: The network's configuration.
///   - isolation: The actor that `body` runs on; the caller's.
///   - body: Uses the network.
/// - Throws: what starting a part throws, and what `body` throws.
public func withPetalsNetwork<Result: Sendable>(
  _ plan: NetworkPlan, isolation: isolated (any Actor)? = #isolation,
  _ body: (PetalsNetwork) async throws -> Result
) async throws -> Result {
  try plan.checkParts()
  let network = PetalsNetwork(plan)
  return try await withTaskCancellationHandler {
    try await network.start()
    let outcome: Swift.Result<Result, any Error>
    do {
      outcome = .success(
        try await withTaskExecutorPreference(network.clock.monitor) { try await body(network) })
    } catch {
      outcome = .failure(error)
    }
    let failure = await network.end()
    let result = try outcome.get()
    if let failure { throw failure }
    return result
  } onCancel: {
    network.giveUp()
  }
}

/// Runs a body with a fresh network whose parts are of the kinds that are named, as in XCTest or a plain
/// program.
///
/// What `.network(nodes:…)` is for a test of Swift Testing. Everything else of the plan is reached by
/// ``NetworkPlan`` and ``withPetalsNetwork(_:isolation:_:)``.
/// - Parameters:
///   - nodes: How the nodes share the model's blocks: a number of nodes, or `.split(at:)`.
///   - oracle: The documented or the deployed one, which does on the chain what it does by itself.
///   - agents: Documented nodes or newest agents.
///   - chain: The chain's profile.
///   - gateway: The gateway before the nodes, if there is one.
///   - links: Whether the body can break the ways between parts.
///   - transport: How clients reach the nodes.
///   - isolation: The actor that `body` runs on; the caller's.
///   - body: Uses the network.
/// - Throws: what starting a part throws, and what `body` throws.
public func withNetwork<Result: Sendable>(
  nodes: NodeLayout = 2, oracle: OracleKind = .documented, agents: AgentKind = .documented,
  chain: ChainProfile = .default, gateway: GatewayKind = .none, links: LinkKind = .direct,
  transport: NetworkTransport = .grpc,
  isolation: isolated (any Actor)? = #isolation,
  _ body: (PetalsNetwork) async throws -> Result
) async throws -> Result {
  try await withPetalsNetwork(
    NetworkPlan(
      nodes: nodes, oracle: oracle, agents: agents, chain: chain, gateway: gateway, links: links,
      transport: transport),
    body)
}
