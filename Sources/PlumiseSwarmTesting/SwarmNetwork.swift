package import EthereumPrimitives
import Logging
package import PetalsNode
public import PetalsSwarm
public import PlumiseTesting
import Synchronization

/// The swarm by which the nodes of a test's network are reached.
///
/// It begins with a peer that serves no blocks, by which the others find each other. A node's peer lives as
/// long as the node runs, and keeps its name when the node starts again; a client's as long as the client.
public final class SwarmNetwork: Sendable {
  private struct State: Sendable {
    var members: [Address: SwarmMember] = [:]
    /// Of each node's agent, so that its peer keeps its name.
    var identities: [Address: SwarmIdentity] = [:]
    var hosts: [Address: NetworkNamespaces.Host] = [:]
  }

  /// The model as the swarm knows it.
  public let model: SwarmModel
  private let client: ClientModel
  private let logger: Logger
  /// Nil on 127.0.0.1.
  private let namespaces: NetworkNamespaces?
  private let bootstrap: SwarmMember
  private let state = Mutex(State())

  private init(
    _ plan: NetworkPlan, model: SwarmModel, namespaces: NetworkNamespaces?, bootstrap: SwarmMember
  ) {
    client = plan.model
    logger = plan.logger
    self.model = model
    self.namespaces = namespaces
    self.bootstrap = bootstrap
  }

  static func start(_ plan: NetworkPlan, in place: SwarmPlace) async throws -> SwarmNetwork {
    let checkpoint = plan.model.checkpoint
    let model = try SwarmModel(
      prefix: SwarmModel.defaultPrefix(checkpoint.name),
      blockCount: checkpoint.configuration.blockCount)
    let namespaces = place == .namespaces ? try await NetworkNamespaces.start() : nil
    do {
      var configuration = SwarmConfiguration()
      if let host = try await namespaces?.makeHost() { configuration.run(in: host) }
      let bootstrap = try await SwarmMember.start(configuration, logger: plan.logger)
      return SwarmNetwork(plan, model: model, namespaces: namespaces, bootstrap: bootstrap)
    } catch {
      await namespaces?.end()
      throw error
    }
  }

  /// Addresses of a peer that is always there, to join the swarm through.
  public var addresses: [SwarmAddress] { bootstrap.peer.addresses }

  /// The peer of a node; nil while the node does not run.
  public func peer(of node: NetworkNode) -> SwarmPeer? {
    state.withLock { $0.members[node.address]?.peer }
  }

  /// What the swarm's members say of themselves in the hash table.
  ///
  /// - Throws: `SwarmError`; `CancellationError`.
  public func status() async throws -> SwarmStatus {
    try await SwarmStatus(of: model, through: bootstrap.peer)
  }

  private func configuration(of host: NetworkNamespaces.Host?) -> SwarmConfiguration {
    var configuration = SwarmConfiguration(initialPeers: bootstrap.peer.addresses)
    if let host { configuration.run(in: host) }
    return configuration
  }
}

/// Partitions of a swarm in namespaces.
extension SwarmNetwork {
  /// Why a swarm cannot be partitioned.
  public struct NoNamespaces: Error, CustomStringConvertible {
    /// Says what to do.
    public var description: String {
      "peers on one address cannot be cut off from each other: declare transport: .swarm(in: .namespaces)"
    }
  }

  /// Cuts nodes off from all other members of the swarm, clients that are still to come among them.
  ///
  /// Nothing gets through, and nobody is told: connections stay open in silence, as when a cable is
  /// pulled. The nodes reach each other. It replaces an earlier partition.
  /// - Throws: ``NoNamespaces``; ``NamespaceError``.
  public func partition(off nodes: [NetworkNode]) async throws {
    guard let namespaces else { throw NoNamespaces() }
    let hosts = state.withLock { state in nodes.compactMap { state.hosts[$0.address] } }
    try await namespaces.partition(off: Set(hosts.map(\.name)))
  }

  /// Ends a partition; what was sent meanwhile is sent again by TCP.
  ///
  /// - Throws: ``NoNamespaces``; ``NamespaceError``.
  public func heal() async throws {
    guard let namespaces else { throw NoNamespaces() }
    try await namespaces.partition(off: [])
  }
}

extension SwarmNetwork: NetworkReach {
  package func attach(_ node: PetalsNode, of owner: Address) async throws {
    var host = state.withLock { $0.hosts[owner] }
    if host == nil, let namespaces {
      let made = try await namespaces.makeHost()
      state.withLock { $0.hosts[owner] = made }
      host = made
    }
    var configuration = configuration(of: host)
    configuration.identity = state.withLock { state in
      if let identity = state.identities[owner] { return identity }
      let identity = SwarmIdentity()
      state.identities[owner] = identity
      return identity
    }
    let member = try await SwarmMember.start(
      configuration, serving: (node, model), logger: logger)
    state.withLock { $0.members[owner] = member }
  }

  package func detach(_ owner: Address, kills: Bool) async {
    let member = state.withLock { $0.members.removeValue(forKey: owner) }
    await member?.end(kills: kills)
  }

  package func withClient<Result: Sendable>(
    limits: TransportLimits, recovery: RecoveryPolicy, clock: any Clock<Duration>,
    isolation: isolated (any Actor)?, _ body: (PipelineClient) async throws -> Result
  ) async throws -> Result {
    let host = try await namespaces?.makeHost()
    var configuration = configuration(of: host)
    configuration.membership = .client
    let limits = SwarmLimits(
      connect: limits.connect, request: limits.request, step: limits.step,
      silence: limits.silence)
    let outcome: Swift.Result<Result, any Error>
    do {
      outcome = .success(
        try await withSwarmPeer(
          configuration, clock: clock, isolation: isolation, logger: logger
        ) { peer in
          try await withSwarmClient(
            peer, client, swarm: model, limits: limits, recovery: recovery, isolation: isolation,
            logger: logger, body)
        })
    } catch {
      outcome = .failure(error)
    }
    if let host { await namespaces?.remove(host) }
    return try outcome.get()
  }

  package func end() async {
    let members = state.withLock { state in
      defer { state.members = [:] }
      return Array(state.members.values)
    }
    for member in members { await member.end(kills: false) }
    await bootstrap.end(kills: false)
    await namespaces?.end()
  }
}

extension PetalsNetwork {
  /// The swarm by which the nodes are reached.
  ///
  /// - Throws: ``NoSwarm`` in a network of another transport.
  public var swarm: SwarmNetwork {
    get throws {
      guard let swarm = reach as? SwarmNetwork else { throw NoSwarm() }
      return swarm
    }
  }

  /// The error of ``PetalsNetwork/swarm`` in a network without one.
  public struct NoSwarm: Error, CustomStringConvertible {
    /// Says what to do.
    public var description: String {
      "the network's nodes are not reached through a swarm: declare transport: .swarm"
    }
  }
}

extension SwarmConfiguration {
  /// Has p2pd run on a host's address, in its namespace.
  mutating func run(in host: NetworkNamespaces.Host) {
    self.host = host.address
    launcher = host.launcher
  }
}
