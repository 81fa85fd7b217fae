import AsyncPrimitives
import Bloom
import ChainAgent
import EthereumClient
import EthereumPrimitives
import InferenceMetrics
import MockGateway
import MockOracle
import MockServing
public import MockWeb3
import OracleReporter
import PetalsNode
import PlumiseWire

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
  let time = NetworkTime(startingAt: plan.startTime)
  let faults = FaultScript(clock: time.clock)
  let chain = MockWeb3(plan.chain, clock: time.clock, unixClock: time.unixClock)
  // A clock of its own, which nobody moves: contributions are reported when a test says so.
  let contributions = ManualClock()
  return try await withTaskCancellationHandler {
    try await chain.withServer(MockWeb3.serverConfiguration(limits: time.serverLimits)) {
      chainAddress in
      let client = EthereumClient(url: chainAddress.url, clock: time.clock)
      let oracle = MockOracle(plan.oracleConfiguration(client, time, contributions: contributions))
      return try await oracle.withServer(faults: faults) { oracleAddress in
        let start = NodeStarter(
          plan: plan, time: time, chain: chain, chainAddress: chainAddress,
          oracleAddress: oracleAddress, oracleFaults: faults)
        return try await start.withNodes { nodes in
          try await start.withGateway { gateway, gatewayAddress in
            let network = PetalsNetwork(
              plan: plan, time: time, chain: chain, chainAddress: chainAddress, oracle: oracle,
              oracleAddress: oracleAddress, oracleFaults: faults, nodes: nodes, gateway: gateway,
              gatewayAddress: gatewayAddress)
            return try await withTaskExecutorPreference(time.clock.monitor) {
              try await body(network)
            }
          }
        }
      }
    }
  } onCancel: {
    faults.clear()
    chain.clearFaults()
    chain.connectionFaults.clear()
    time.clock.end()
    contributions.end()
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
///   - links: Whether the body can break the way to each node.
///   - isolation: The actor that `body` runs on; the caller's.
///   - body: Uses the network.
/// - Throws: what starting a part throws, and what `body` throws.
public func withNetwork<Result: Sendable>(
  nodes: NodeLayout = 2, oracle: OracleKind = .documented, agents: AgentKind = .documented,
  chain: ChainProfile = .default, gateway: GatewayKind = .none, links: LinkKind = .direct,
  isolation: isolated (any Actor)? = #isolation,
  _ body: (PetalsNetwork) async throws -> Result
) async throws -> Result {
  try await withPetalsNetwork(
    NetworkPlan(
      nodes: nodes, oracle: oracle, agents: agents, chain: chain, gateway: gateway, links: links),
    body)
}

extension NetworkTime {
  /// The limits of the network's servers, on its clock.
  ///
  /// Idle connections stay: the process's clients keep them, in real time, for whatever comes next.
  fileprivate var serverLimits: ServerLimits {
    ServerLimits(idleTime: .seconds(86_400 * 365), clock: background)
  }
}

extension NetworkPlan {
  /// The configuration of the network's oracle.
  fileprivate func oracleConfiguration(
    _ client: EthereumClient, _ time: NetworkTime, contributions: ManualClock
  ) -> OracleConfiguration {
    var configuration = OracleConfiguration(
      dialects: [dialect], profile: oracleProfile, unixClock: time.unixClock,
      limits: time.serverLimits, logger: logger)
    configuration.apiKey = gateway.settings?.apiKey
    if oracleChecksRegistration { configuration.registration = .chain(client) }
    if agents != .documented, oracleProfile == .fixed {
      configuration.modelLayers[pipelineModel] = model.checkpoint.configuration.blockCount
    }
    if let rewardOracle {
      let account = OracleAccount(key: rewardOracle.key, client: client)
      configuration.epoch = .chain(client)
      if chainOperations.isEmpty {
        configuration.contributions = ContributionPlan(account: account, clock: contributions)
      } else {
        configuration.chainOperations = ChainOperationsPlan(
          account: account, operations: chainOperations, clock: time.clock)
      }
    }
    configureOracle(&configuration)
    return configuration
  }
}

/// Starts the nodes of a network one within the other, and stops them in reverse.
struct NodeStarter {
  let plan: NetworkPlan
  let time: NetworkTime
  let chain: MockWeb3
  let chainAddress: ServerAddress
  let oracleAddress: ServerAddress
  let oracleFaults: FaultScript

  func withNodes<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: ([NetworkNode]) async throws -> Result
  ) async throws -> Result {
    let pipeline = AgentPipeline(plan: plan, time: time, oracleAddress: oracleAddress)
    return try await withNodes(plan.blocks[...], started: []) { nodes in
      try await pipeline.withMembers(nodes) { try await body(nodes) }
    }
  }

  /// Runs a body with the network's gateway, if it has one, which has looked for the nodes.
  func withGateway<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: (MockGateway?, ServerAddress?) async throws -> Result
  ) async throws -> Result {
    guard let settings = plan.gateway.settings else { return try await body(nil, nil) }
    var configuration = GatewayConfiguration(
      oracleURL: oracleAddress.url, apiKey: settings.apiKey, models: [plan.pipelineModel],
      profile: settings.profile, allowsLoopback: !settings.refusesLoopback, clock: time.clock,
      unixClock: time.unixClock, limits: time.serverLimits, logger: plan.logger)
    plan.configureGateway(&configuration)
    let gateway = MockGateway(configuration)
    return try await gateway.withServer { try await body(gateway, $0) }
  }

  private func withNodes<Result: Sendable>(
    _ blocks: ArraySlice<BlockRange>, started: [NetworkNode],
    isolation: isolated (any Actor)? = #isolation, _ body: ([NetworkNode]) async throws -> Result
  ) async throws -> Result {
    guard let range = blocks.first else { return try await body(started) }
    let key = plan.agents == .documented ? chain.makeAccount().key : SecretKey.random()
    let configuration = nodeConfiguration(range, key.address, index: started.count)
    return try await withPetalsNode(
      configuration, metrics: MetricsCollector(clock: time.clock), clock: time.background,
      logger: plan.logger
    ) { node in
      guard let address = node.address else { preconditionFailure("a ready node has an address") }
      return try await withLink(to: address) { link in
        let networkNode = try makeNetworkNode(node, key, link?.peer ?? address, link)
        do {
          let result = try await withServices(of: networkNode) {
            try await withNodes(blocks.dropFirst(), started: started + [networkNode], body)
          }
          await stop(networkNode.reporter)
          return result
        } catch {
          await stop(networkNode.reporter)
          throw error
        }
      }
    }
  }

  private func nodeConfiguration(
    _ blocks: BlockRange, _ agent: Address, index: Int
  ) -> NodeConfiguration {
    var configuration = NodeConfiguration(
      checkpoint: plan.model.checkpoint, blocks: blocks, agent: agent)
    // The end of a network does not wait for a test to move the clock.
    configuration.graceClock = ContinuousClock()
    configuration.tokenizer = plan.model.tokenizer
    if let profile = plan.agents.profile {
      configuration.http = .init()
      configuration.agentAPI = AgentAPISettings()
      configuration.agentProfile = profile
      configuration.clientIdleLimit = time.serverLimits.idleTime
    }
    plan.configureNode(index, &configuration)
    return configuration
  }

  private func withServices<Result: Sendable>(
    of node: NetworkNode, isolation: isolated (any Actor)? = #isolation,
    _ body: () async throws -> Result
  ) async throws -> Result {
    guard plan.runsServices, plan.agents == .documented else { return try await body() }
    return try await node.withServices(body)
  }

  private func withLink<Result: Sendable>(
    to address: PeerAddress, isolation: isolated (any Actor)? = #isolation,
    _ body: (FaultyLink?) async throws -> Result
  ) async throws -> Result {
    guard plan.hasFaultyLinks else { return try await body(nil) }
    return try await withFaultyLink(to: address, monitoredBy: time.clock.monitor) {
      try await body($0)
    }
  }

  private func makeNetworkNode(
    _ node: PetalsNode, _ key: SecretKey, _ peer: PeerAddress, _ link: FaultyLink?
  ) throws -> NetworkNode {
    let reporter = OracleReporter(
      configuration: try ReporterConfiguration(
        oracleURL: oracleAddress.url, interval: plan.reportInterval,
        dialect: plan.dialect),
      key: key, collector: node.metrics, clock: time.clock, unixClock: time.unixClock,
      logger: plan.logger)
    let agent = ChainAgent(
      ChainAgentConfiguration(chainID: plan.chain.rules.chainID), key: key,
      client: EthereumClient(url: chainAddress.url, clock: time.clock), logger: plan.logger)
    return NetworkNode(
      node: node, peer: peer, link: link, key: key, agent: agent, reporter: reporter,
      clock: time.clock)
  }

  /// Stops a reporter that the test left running.
  ///
  /// Its last report goes out on a network without faults; a request that a fault holds up is given
  /// up, so that the test can end.
  private func stop(_ reporter: OracleReporter) async {
    guard await reporter.isRunning else { return }
    oracleFaults.clear()
    if oracleFaults.met.count > 0 { time.clock.advance(by: reporter.configuration.requestTimeout) }
    await reporter.stop()
  }
}
