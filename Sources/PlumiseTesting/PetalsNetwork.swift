import AsyncPrimitives
public import Bloom
import EthereumPrimitives
public import MockGateway
public import MockOracle
public import MockServing
public import MockWeb3
public import PetalsNode
import Synchronization

/// A complete network, every part real: a chain, an oracle, and nodes that serve a model.
///
/// All of it listens on free ports of 127.0.0.1. It exists within ``withPetalsNetwork(_:isolation:_:)`` or a
/// test with a ``PetalsNetworkTrait``. A test can end parts, start them again and add nodes:
/// ``kill(_:)``, ``restart(_:keepingState:)``, ``addNode(blocks:)``, ``NetworkNode/kill()``.
public final class PetalsNetwork: Sendable {
  /// The network's configuration.
  public let plan: NetworkPlan
  /// The time of chain, oracle, agents, reporters and uptimes, which stands still until a test moves
  /// its clock.
  public let time: NetworkTime
  /// The faults of the connections to the oracle.
  public let oracleFaults: FaultScript
  /// What parts did by themselves and had done to them, in order.
  public let events = Journal<NetworkEvent>()
  /// Keeps what happens for the report of a failure.
  let recorder: NetworkRecorder
  let services: NetworkServices
  private let members = Mutex<[NetworkNode]>([])
  private let transport = Mutex<(any NetworkReach)?>(nil)
  let changingNodes = AsyncLock()

  init(_ plan: NetworkPlan) {
    let time = NetworkTime(startingAt: plan.startTime)
    self.plan = plan
    self.time = time
    oracleFaults = FaultScript(clock: time.clock)
    recorder = NetworkRecorder()
    services = NetworkServices(plan, time, oracleFaults: oracleFaults, recorder: recorder)
  }

  /// The chain.
  public var chain: MockWeb3 { services.chain.service }
  /// The address of the chain's JSON-RPC.
  public var chainAddress: ServerAddress { services.chain.address }
  /// The oracle.
  public var oracle: MockOracle { services.oracle.service }
  /// The address of the oracle.
  public var oracleAddress: ServerAddress { services.oracle.address }
  /// The gateway before the nodes; nil in a network without one.
  public var gateway: MockGateway? { services.gateway?.service }
  /// The address of the gateway.
  public var gatewayAddress: ServerAddress? { services.gateway?.address }
  /// The nodes, in the order of the plan, and behind them those that were added.
  public var nodes: [NetworkNode] { members.withLock { $0 } }

  /// What nodes need of the network.
  var setting: NodeSetting {
    NodeSetting(
      plan: plan, time: time, chainAddress: chainAddress, oracleAddress: oracleAddress,
      events: events, recorder: recorder, client: services.client, reach: reach)
  }

  /// The way to the nodes where it is not that to their own addresses.
  package var reach: (any NetworkReach)? { transport.withLock { $0 } }

  /// The clock of the network's time: intervals, time-outs, retries and polls wait until a test
  /// moves it.
  public var clock: ManualClock { time.clock }

  /// The addresses of the nodes.
  public var peers: [PeerAddress] { nodes.map(\.peer) }

  /// Runs a body with a client that generates through the nodes.
  ///
  /// When it returns, the nodes have counted what was generated.
  /// - Parameters:
  ///   - limits: How long calls may take.
  ///   - recovery: How the client recovers from failed nodes.
  ///   - clock: The clock of both; by default real time, which generating takes.
  ///   - isolation: The actor that `body` runs on; the caller's.
  ///   - body: Generates.
  /// - Throws: what connecting throws, and what `body` throws.
  public func withClient<Result: Sendable>(
    limits: TransportLimits = TransportLimits(), recovery: RecoveryPolicy = RecoveryPolicy(),
    clock: any Clock<Duration> = ContinuousClock(),
    isolation: isolated (any Actor)? = #isolation,
    _ body: (PipelineClient) async throws -> Result
  ) async throws -> Result {
    if let reach {
      return try await reach.withClient(
        limits: limits, recovery: recovery, clock: clock, isolation: isolation, body)
    }
    return try await withPipelineClient(
      plan.model, peers: peers, limits: limits, recovery: recovery, clock: clock,
      logger: plan.logger, body)
  }
}

/// Its beginning and its end.
extension PetalsNetwork {
  /// Starts chain and oracle, then the nodes, then the gateway.
  /// - Throws: what starting a part throws; nothing of the network is left then.
  func start() async throws {
    do {
      try await services.chain.start()
      if plan.hasFaultyLinks {
        let link = try await time.startLink(to: chainAddress)
        services.links.oracleToChain = link
        recorder.follow(link, from: .oracle, to: .chain)
      }
      try await services.oracle.start()
      if let begin = plan.transport.begin {
        let reach = try await begin(plan)
        transport.withLock { $0 = reach }
      }
      try await begin(try await startNodes(plan.blocks, from: 0))
      if let gateway = services.gateway {
        if plan.hasFaultyLinks {
          let link = try await time.startLink(to: oracleAddress)
          services.links.gatewayToOracle = link
          recorder.follow(link, from: .gateway, to: .oracle)
        }
        try await gateway.start()
      }
    } catch {
      _ = await end()
      throw error
    }
  }

  /// Ends everything that runs, in reverse.
  /// - Returns: why an agent's service ended before, if one did.
  func end() async -> (any Error)? {
    // Last reports go out on a network without faults.
    for link in services.links.all { await link.mend() }
    await services.gateway?.close()
    oracleFaults.clear()
    let failure = await withTaskGroup(of: (any Error)?.self) { group in
      for node in nodes { group.addTask { await node.close() } }
      var failure: (any Error)?
      for await end in group { failure = failure ?? end }
      return failure
    }
    await reach?.end()
    await services.oracle.close()
    await services.chain.close()
    for link in services.links.all { await link.close() }
    await services.shutDownClient()
    return failure
  }

  /// Has everything go on that waits: no fault and no link holds anything, and the clock has ended.
  func giveUp() {
    oracleFaults.clear()
    if let chain = services.chain.latest {
      chain.clearFaults()
      chain.connectionFaults.clear()
    }
    for link in links { link.link.release() }
    time.clock.end()
    services.contributions.end()
  }

  /// Starts nodes, all at once, and puts them into their places from one on.
  func startNodes(_ blocks: [BlockRange], from first: Int) async throws -> [NetworkNode] {
    let setting = setting
    // In their order: what makes accounts and configurations may count.
    let planned = blocks.enumerated().map { offset, range in
      let index = first + offset
      let key = plan.agents == .documented ? chain.makeAccount().key : SecretKey.random()
      return (index, key, setting.configuration(range, agent: key.address, index: index))
    }
    let started = try await withThrowingTaskGroup(of: NetworkNode.self) { group in
      for (index, key, configuration) in planned {
        group.addTask { try await setting.start(configuration, key: key, index: index) }
      }
      var started: [NetworkNode] = []
      do {
        while let node = try await group.next() { started.append(node) }
      } catch {
        group.cancelAll()
        while let node = await group.nextResult() {
          if case .success(let node) = node { started.append(node) }
        }
        for node in started { _ = await node.close() }
        throw error
      }
      return started.sorted { $0.index < $1.index }
    }
    members.withLock { members in
      for node in started {
        if node.index < members.count {
          members[node.index] = node
        } else {
          members.append(node)
        }
      }
    }
    return started
  }

  /// Begins what nodes do by themselves.
  func begin(_ nodes: [NetworkNode]) async throws {
    for node in nodes { try await node.beginServices() }
    try await AgentPipeline(setting).join(nodes)
  }
}

extension PetalsNetwork {
  /// Generates a continuation of a text through all nodes, with a client of its own.
  ///
  /// Each node records a proof of the generation.
  /// - Parameters:
  ///   - prompt: What the text begins with; at least one token.
  ///   - maxNewTokens: Most tokens to generate.
  ///   - sampling: How tokens are chosen; greedily when not said.
  /// - Throws: `NodeError` and `RouteError`; ``MissingTokenizer``.
  public func generate(
    _ prompt: String, maxNewTokens: Int, sampling: SamplingParameters = .greedy
  ) async throws -> GenerationResult {
    try await generate(
      PipelineRequest(
        promptIDs: try encode(prompt), prompt: prompt, maxNewTokens: maxNewTokens,
        sampling: sampling))
  }

  /// Generates a continuation of token ids through all nodes, with a client of its own.
  ///
  /// - Throws: `NodeError` and `RouteError`.
  public func generate(
    _ prompt: [Int32], maxNewTokens: Int, sampling: SamplingParameters = .greedy
  ) async throws -> GenerationResult {
    try await generate(
      PipelineRequest(promptIDs: prompt, maxNewTokens: maxNewTokens, sampling: sampling))
  }

  /// Generates with the whole model in this process, to compare ids with.
  ///
  /// - Throws: `TokenError`; ``MissingTokenizer``.
  public func generateLocally(
    _ prompt: String, maxNewTokens: Int, sampling: SamplingParameters = .greedy
  ) async throws -> [Int32] {
    let request = GenerationRequest(
      prompt: try encode(prompt), maxNewTokens: maxNewTokens, sampling: sampling)
    return try await LocalGenerator(plan.model.checkpoint).generate(request).ids
  }

  private func generate(_ request: PipelineRequest) async throws -> GenerationResult {
    try await withClient { try await $0.generate(request).collect() }
  }

  private func encode(_ text: String) throws -> [Int32] {
    guard let tokenizer = plan.model.tokenizer else { throw MissingTokenizer() }
    return tokenizer.encode(text)
  }

  /// The error of a text prompt for a model without a tokenizer.
  public struct MissingTokenizer: Error, CustomStringConvertible {
    /// Says what to do.
    public var description: String {
      "the network's model has no tokenizer: generate from token ids, or give ClientModel one"
    }
  }
}
