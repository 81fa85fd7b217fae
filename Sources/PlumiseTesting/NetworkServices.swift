import AsyncHTTPClient
import AsyncPrimitives
import Bloom
import EthereumClient
import MockGateway
import MockOracle
import MockServing
import MockWeb3
import OutgoingHTTP
import PetalsNode
import PlumiseWire

/// The services of a network: what all of its nodes share.
struct NetworkServices: Sendable {
  let chain: NetworkService<MockWeb3>
  let oracle: NetworkService<MockOracle>
  let gateway: NetworkService<MockGateway>?
  /// A clock of its own, which nobody moves: contributions are reported when a test says so.
  let contributions = ManualClock()
  /// Asks chain, oracle and agents for the parts of the network: its connections and what it knows of their
  /// servers end with the network.
  let client = HTTPClient(
    eventLoopGroupProvider: .singleton, configuration: .singleAttempt())
  /// Between the services, if the plan has faulty links.
  let links = ServiceLinks()

  /// Services that are not started yet: chain, oracle and gateway are, in this order.
  init(
    _ plan: NetworkPlan, _ time: NetworkTime, oracleFaults: FaultScript, recorder: NetworkRecorder
  ) {
    recorder.follow(oracleFaults, of: "oracle")
    let chain = NetworkService<MockWeb3> {
      let chain = MockWeb3(plan.chain, clock: time.clock, unixClock: time.unixClock)
      recorder.follow(chain)
      return chain
    } serve: { chain, port, grace, body in
      var server = MockWeb3.serverConfiguration(limits: time.serverLimits)
      server.port = port
      server.graceClock = grace
      try await chain.withServer(server, body)
    }
    let contributions = contributions
    let (links, httpClient) = (links, client)
    let oracle = NetworkService<MockOracle> {
      let address = links.oracleToChain?.serverAddress ?? chain.address
      let client = EthereumClient(
        transport: HTTPTransport(url: address.url, client: httpClient), clock: time.clock)
      var configuration = plan.oracleConfiguration(client, time, contributions: contributions)
      let observe = configuration.onEntry
      configuration.onEntry = { entry in
        observe(entry)
        recorder.record("oracle", .request(entry))
      }
      return MockOracle(configuration)
    } serve: { oracle, port, grace, body in
      try await oracle.withServer(port: port, faults: oracleFaults, graceClock: grace, body)
    }
    self.chain = chain
    self.oracle = oracle
    gateway = plan.gateway.settings.map { settings in
      NetworkService<MockGateway> {
        let address = links.gatewayToOracle?.serverAddress ?? oracle.address
        var configuration = plan.gatewayConfiguration(settings, time, oracle: address)
        configuration.client = httpClient
        return MockGateway(configuration)
      } serve: { gateway, port, grace, body in
        try await gateway.withServer(port: port, graceClock: grace, body)
      }
    }
  }
}

extension NetworkServices {
  /// Ends the connections of the network's parts to each other.
  func shutDownClient() async {
    do { try await client.shutdown() } catch {
      // It was shut down before, when the network's start failed.
    }
  }
}

extension NetworkTime {
  /// The limits of the network's servers, on its clock.
  ///
  /// Idle connections stay: the process's clients keep them, in real time, for whatever comes next.
  var serverLimits: ServerLimits {
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

  /// The configuration of the network's gateway.
  fileprivate func gatewayConfiguration(
    _ settings: GatewayKind.Settings, _ time: NetworkTime, oracle: ServerAddress
  ) -> GatewayConfiguration {
    var configuration = GatewayConfiguration(
      oracleURL: oracle.url, apiKey: settings.apiKey, models: [pipelineModel],
      profile: settings.profile, allowsLoopback: !settings.refusesLoopback, clock: time.clock,
      unixClock: time.unixClock, limits: time.serverLimits, logger: logger)
    configureGateway(&configuration)
    return configuration
  }
}
