import AsyncPrimitives
import Bloom
public import ChainAgent
public import EthereumPrimitives
public import InferenceMetrics
public import OracleReporter
public import PetalsNode
public import PlumiseWire
import Synchronization

/// One node of a network, with its agent and its reporter.
///
/// It runs when a test gets it, and can be ended and started again: ``stop()``, ``kill()``,
/// ``restart(keepingState:)``. Its key and its addresses stay; ``node``, ``agent`` and ``reporter`` are
/// those of its latest start.
public final class NetworkNode: Sendable {
  private struct State: Sendable {
    var life: NetworkNodeLife
    var isRunning = true
    /// Whether reports were sent at intervals when it ended.
    var wasReporting = false
    /// Tokens that earlier lives counted.
    var served = 0
    /// Keep its ports while it does not run.
    var reservations: [PortReservation] = []
  }

  /// Its place in ``PetalsNetwork/nodes``.
  public let index: Int
  /// The address for clients: its own, or that of its link.
  public let peer: PeerAddress
  /// The proxy between clients and its gRPC port, if the plan has faulty links; for its other links see
  /// ``PetalsNetwork/link(from:to:)``.
  public var link: FaultyLink? { links.fromClients }
  /// The proxies around it, if the plan has faulty links.
  let links: NodeLinks
  /// The agent's key; its account has 10 000 PLM, that of a newest agent nothing.
  public let key: SecretKey
  /// What it serves, and where: on the ports of its first start.
  private let configuration: NodeConfiguration
  let setting: NodeSetting
  private let state: Mutex<State>
  private let turn = AsyncLock()

  init(
    _ life: NetworkNodeLife, _ configuration: NodeConfiguration, key: SecretKey, index: Int,
    address: PeerAddress, links: NodeLinks, setting: NodeSetting
  ) {
    self.index = index
    self.key = key
    self.links = links
    self.setting = setting
    peer = links.fromClients?.peer ?? address
    var fixed = configuration
    fixed.grpc.port = address.port
    if let http = life.node.httpAddress { fixed.http?.port = http.port }
    self.configuration = fixed
    state = Mutex(State(life: life))
    note(.started)
  }

  /// Serves the blocks.
  public var node: PetalsNode { life.node }
  /// The agent on the network's chain; it is not registered yet in a new network.
  public var agent: ChainAgent { life.agent }
  /// Reports to the network's oracle; it is not started, unless the node is a newest agent.
  public var reporter: OracleReporter { life.reporter }
  /// Whether it runs: it was not stopped or killed since its latest start.
  public var isRunning: Bool { state.withLock { $0.isRunning } }
  /// What the node has counted since its latest start.
  public var metrics: MetricsCollector { node.metrics }
  /// The agent's address.
  public var address: Address { key.address }
  /// The base URL of its HTTP API, or that of the link before it; nil for a node without one.
  public var httpURL: String? {
    (links.toHTTP?.peer ?? node.httpAddress).map { "http://\($0)" }
  }

  var life: NetworkNodeLife { state.withLock { $0.life } }

  /// Tokens that it counted since its first start.
  var served: Int {
    let (earlier, life) = state.withLock { ($0.served, $0.life) }
    return earlier + Int(life.node.metrics.snapshot.totalTokens)
  }

  /// Its name in ``PetalsNetwork/events``.
  static func name(_ index: Int) -> String { "node \(index)" }

  private func note(_ kind: NetworkEvent.Kind) { setting.note(kind, of: Self.name(index)) }
}

extension NetworkNode {
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
  /// measured on the network's clock. It belongs to the node's latest start: after another one, the test
  /// ends it and runs a new one.
  /// - Parameters:
  ///   - schedule: The intervals.
  ///   - onEvent: Called with each event.
  public func service(
    schedule: AgentService.Schedule = AgentService.Schedule(),
    onEvent: @escaping @Sendable (AgentEvent) -> Void = { _ in }
  ) -> AgentService {
    AgentService(
      agent, registration: registration, schedule: schedule, proofs: metrics.proofs.arrivals(),
      clock: setting.time.clock
    ) { event in
      self.note(.agent(event))
      onEvent(event)
    }
  }

  /// Begins what the network has a documented node do by itself, if anything.
  /// - Throws: what registering throws.
  func beginServices() async throws {
    guard setting.plan.runsServices, setting.plan.agents == .documented else { return }
    try await register()
    try await runServices()
  }

  private func runServices() async throws {
    life.run(service(), note: note)
    try await reporter.start()
  }
}

/// Its end and its next start, in the middle of a test.
extension NetworkNode {
  /// Stops it as an operator does: calls under way are finished, and a running reporter sends its last
  /// report.
  ///
  /// Its ports are refused when this returns. As much of the network's time passes as the last report
  /// needs, which an oracle that does not answer holds up. Nothing happens to a node that does not run.
  public func stop() async {
    await turn.lock()
    _ = await end(kills: false)
    turn.unlock()
  }

  /// Kills it, as a signal does that cannot be caught: sessions break, and no last report is sent.
  ///
  /// Nothing happens to a node that does not run.
  public func kill() async {
    await turn.lock()
    _ = await end(kills: true)
    turn.unlock()
  }

  /// Starts it again, on the same ports and with the same key; one that runs is stopped first.
  ///
  /// Sessions and counters are gone, as a process's are. What it did by itself it does again: reports go
  /// out at intervals if they did before, and an agent of a plan with ``NetworkPlan/runsServices`` or a
  /// newest agent lives on.
  /// - Parameter keepingState: Whether the proofs that were not reported are still there, as in a file.
  /// - Throws: What starting a node throws; it does not run then. For a newest agent what joining the
  ///   oracle's pipeline throws.
  public func restart(keepingState: Bool = true) async throws {
    try await turn.withLock {
      _ = await end(kills: false)
      let proofs = keepingState ? life.node.metrics.proofs : ProofBuffer()
      let next = try NetworkNodeLife(
        configuration, key: key, proofs: proofs, setting: setting, index: index)
      try await next.waitUntilReady()
      do {
        try await setting.reach?.attach(next.node, of: address)
      } catch {
        await next.kill()
        throw error
      }
      let counted = Int(life.node.metrics.snapshot.totalTokens)
      let wasReporting = state.withLock { state in
        state.served += counted
        state.life = next
        state.isRunning = true
        state.reservations = []
        return state.wasReporting
      }
      note(.started)
      if setting.plan.agents != .documented {
        try await AgentPipeline(setting).join([self])
      } else if setting.plan.runsServices {
        // It registers by itself, and tries again where the chain does not answer.
        try await runServices()
      } else if wasReporting {
        try await reporter.start()
      }
    }
  }

  /// Ends it for good, with its link and its ports.
  /// - Returns: why its agent's service ended before, if it did.
  func close() async -> (any Error)? {
    await turn.lock()
    // First: a node waits for its connections, and one that a link holds does not end by itself.
    for link in links.incoming { await link.close() }
    // Last reports go out on a network without faults.
    for link in links.outgoing { await link.mend() }
    let failure = await end(kills: false)
    for link in links.outgoing { await link.close() }
    state.withLock { $0.reservations = [] }
    turn.unlock()
    return failure
  }

  private func end(kills: Bool) async -> (any Error)? {
    guard isRunning else { return nil }
    let life = life
    let isReporting = await reporter.isRunning
    var failure: (any Error)?
    // What a link holds is never finished: the node would wait for it.
    for link in links.incoming { if kills { await link.reset() } else { await link.resetHeld() } }
    await setting.reach?.detach(address, kills: kills)
    if kills { await life.kill() } else { failure = await life.stop(on: setting.time) }
    let ports = [configuration.grpc.port, configuration.http?.port].compactMap(\.self)
    state.withLock { state in
      state.isRunning = false
      state.wasReporting = isReporting
      state.reservations = ports.compactMap { PortReservation(of: $0) }
    }
    note(kills ? .killed : .stopped)
    return failure
  }
}
