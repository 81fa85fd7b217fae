import AsyncPrimitives
public import Bloom
import ChainAgent
import EthereumClient
public import EthereumPrimitives
import Foundation
import InferenceMetrics
import MockOracle
import MockWeb3
import OracleReporter
public import PetalsNode
import PlumiseWire
import Synchronization

/// A node of a scenario, which may crash and start again any number of times.
///
/// Its key and its file of proofs outlive a crash, as they would on a disk; sessions and counters do not.
public final class ScenarioNode: Sendable {
  private struct State {
    var life: NodeLife?
    var lives = 0
    var lastReport: [UInt8]?
  }

  /// Its place in the plan.
  public let index: Int
  /// The blocks that it serves.
  public let blocks: BlockRange
  /// Its agent's account.
  public let key: SecretKey
  /// The way to it from the client.
  public let link: ScenarioLink
  /// Its way to the oracle.
  public let oracleLink: ScenarioLink
  /// Its way to the chain.
  public let chainLink: ScenarioLink
  let history: HistoryRecorder
  private let parts: Parts
  private let state = Mutex(State())

  /// What a node needs of its scenario.
  struct Parts: Sendable {
    let network: ScenarioNetwork
    let oracle: MockOracle
    /// Where the files of proofs are.
    let folder: URL
  }

  init(_ index: Int, blocks: BlockRange, parts: Parts) {
    self.index = index
    self.blocks = blocks
    self.parts = parts
    let network = parts.network
    history = network.history
    key = network.seed.key(index)
    link = network.link("client-node\(index)", latency: network.plan.latency(of: index))
    oracleLink = network.link("node\(index)-oracle")
    chainLink = network.link("node\(index)-chain")
  }

  /// Its name in routes.
  var name: String { "node\(index)" }
  /// Its links, in a fixed order.
  var links: [ScenarioLink] { [link, oracleLink, chainLink] }
  /// Its agent's address.
  public var address: Address { key.address }
  /// The node while it runs; nil after a crash.
  public var node: PetalsNode? { life?.node }
  /// Whether it runs.
  public var isRunning: Bool { life != nil }

  var life: NodeLife? { state.withLock { $0.life } }
  /// The body of the last report that the oracle took from it.
  var lastReport: [UInt8]? { state.withLock { $0.lastReport } }

  /// Starts it, unless it runs; returns when it is ready and begins to register, beat and report.
  /// - Throws: what starting a node throws.
  public func start() async throws {
    guard life == nil else { return }
    let number = state.withLock { state in
      state.lives += 1
      return state.lives
    }
    let life = try NodeLife(number, of: self, parts)
    try await life.begin()
    state.withLock { $0.life = life }
    history.record(.lifeBegan(node: index, life: number))
  }

  /// Ends it at once, as a signal that cannot be caught does: nothing is sent any more.
  public func crash() async { await end(crashes: true) }

  /// Stops it as an operator would: the last report is sent.
  public func stop() async { await end(crashes: false) }

  private func end(crashes: Bool) async {
    let ending = state.withLock { state in
      defer { state.life = nil }
      return state.life
    }
    guard let life = ending else { return }
    await life.end(crashes: crashes)
    history.record(
      .lifeEnded(
        node: index, life: life.number, crashed: crashes,
        tokens: life.node.metrics.snapshot.totalTokens))
  }

  /// Carries a request of the client.
  func carry<Answer: Sendable>(_ handle: () async throws -> Answer) async throws -> Answer {
    do {
      return try await link.carry(handle)
    } catch let failure as ScenarioLink.Failure {
      throw unavailable("\(failure)")
    }
  }

  /// Refuses for a life that has ended.
  func check(_ life: NodeLife) throws(NodeError) {
    guard life.identity.isAlive else { throw unavailable("the connection was reset") }
  }

  func unavailable(_ reason: String) -> NodeError { NodeError(.unavailable, reason, peer: name) }

  func noteReport(_ body: [UInt8], isAccepted: Bool) {
    if isAccepted { state.withLock { $0.lastReport = body } }
  }

  /// Posts the last report that the oracle took once more, as somebody who recorded it could.
  func replayReport() async throws {
    guard let body = lastReport else { return }
    let life = NodeLife.Identity(number: 0)
    let reports = ScenarioReports(
      node: self, life: life, oracle: parts.oracle, monitor: parts.network.time.clock.idleMonitor)
    _ = await reports.deliver(body)
  }
}

/// What all parts of a scenario share.
struct ScenarioNetwork: Sendable {
  let plan: ScenarioPlan
  let seed: ScenarioSeed
  let time: NetworkTime
  let chain: MockWeb3
  let history: HistoryRecorder

  /// A link of the scenario.
  func link(_ name: String, latency: Duration? = nil) -> ScenarioLink {
    ScenarioLink(
      name, latency: latency ?? plan.latency, seed: seed.number(name), clock: time.clock)
  }

  /// A client of the chain.
  func client(
    _ link: ScenarioLink, ofNode node: Int? = nil,
    isAlive: @escaping @Sendable () -> Bool = { true }
  ) -> EthereumClient {
    let random = Mutex(SeededGenerator(seed: seed.number("retries of \(link.name)")))
    return EthereumClient(
      transport: ScenarioRPC(
        chain: chain, link: link, history: history, monitor: time.clock.idleMonitor,
        node: node, isAlive: isAlive),
      clock: time.clock, random: { random.withLock { $0.unit() } })
  }
}

/// A node from one of its starts to its end: what a process would hold.
final class NodeLife: Sendable {
  /// What the links of a life ask of it.
  final class Identity: Sendable {
    /// Counted from 1; 0 for whoever replays what a node sent.
    let number: Int
    private let alive = Mutex(true)

    init(number: Int) { self.number = number }

    /// Whether the process is there.
    var isAlive: Bool { alive.withLock { $0 } }

    func die() { alive.withLock { $0 = false } }
  }

  let identity: Identity
  let node: PetalsNode
  private let reporter: OracleReporter
  private let service: AgentService
  /// The node's own task, which ends last.
  private let serving: TaskScope
  /// What it does by itself.
  private let services: TaskScope

  var number: Int { identity.number }

  init(_ number: Int, of owner: ScenarioNode, _ parts: ScenarioNode.Parts) throws {
    let identity = Identity(number: number)
    self.identity = identity
    let network = parts.network
    let (plan, clock) = (network.plan, network.time.clock)
    let monitor = clock.idleMonitor
    let proofs = try ProofBuffer(spool: parts.spool(of: owner.index, life: number))
    let metrics = MetricsCollector(clock: clock, proofs: proofs)
    var configuration = NodeConfiguration(
      checkpoint: plan.model, blocks: owner.blocks, agent: owner.address)
    configuration.listens = false
    node = PetalsNode(configuration, metrics: metrics, clock: clock, logger: plan.logger)
    let random = Mutex(SeededGenerator(seed: network.seed.number("reports of \(owner.name)")))
    reporter = OracleReporter(
      configuration: try ReporterConfiguration(oracleURL: "http://oracle"), key: owner.key,
      collector: metrics,
      transport: ScenarioReports(
        node: owner, life: identity, oracle: parts.oracle, monitor: monitor),
      clock: clock, unixClock: network.time.unixClock,
      chance: { random.withLock { $0.unit() } }, logger: plan.logger)
    var agent = ChainAgentConfiguration(pollInterval: .seconds(1))
    agent.confirmations = plan.confirmations
    service = AgentService(
      ChainAgent(
        agent, key: owner.key,
        client: network.client(owner.chainLink, ofNode: owner.index) { identity.isAlive },
        logger: plan.logger),
      registration: .ofNode(serving: plan.model.name, as: owner.address),
      schedule: .init(claimInterval: plan.claimInterval), proofs: proofs.arrivals(),
      clock: clock
    ) { [history = network.history, index = owner.index] in history.record($0, of: index) }
    serving = TaskScope(on: monitor)
    services = TaskScope(on: monitor)
  }

  func begin() async throws {
    serving.spawn { [node] in
      // Why it did not start, the wait below says.
      try? await node.run()
    }
    try await node.waitUntilReady()
    try await reporter.start()
    services.spawn { [service] in
      // It ends by its cancellation alone.
      try? await service.run()
    }
  }

  func end(crashes: Bool) async {
    if crashes { identity.die() }
    services.cancel()
    await reporter.stop(within: crashes ? Duration.zero : nil)
    await services.wait()
    identity.die()
    node.stop()
    await serving.wait()
  }
}

extension ScenarioNode.Parts {
  /// The file of a life's proofs, with what the life before left.
  fileprivate func spool(of node: Int, life: Int) throws -> URL {
    func file(_ life: Int) -> URL { folder.appending(path: "node\(node)-life\(life)") }
    // A copy: tasks of the earlier life may hold its file until they notice that they are dead.
    if life > 1 { try Data(contentsOf: file(life - 1)).write(to: file(life)) }
    return file(life)
  }
}
