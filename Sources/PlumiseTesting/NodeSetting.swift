import AsyncHTTPClient
import AsyncPrimitives
import Bloom
import ChainAgent
import EthereumPrimitives
import InferenceMetrics
import MockServing
import PetalsNode

/// What the nodes of a network need of it; a node with links has one of its own, which names them.
struct NodeSetting: Sendable {
  let plan: NetworkPlan
  let time: NetworkTime
  var chainAddress: ServerAddress
  var oracleAddress: ServerAddress
  let events: Journal<NetworkEvent>
  /// Keeps what happens for the report of a failure.
  let recorder: NetworkRecorder
  /// Asks the chain and the oracle.
  let client: HTTPClient
  /// The way to the nodes where it is not that to their own addresses.
  let reach: (any NetworkReach)?

  /// Notes an event of a part.
  func note(_ kind: NetworkEvent.Kind, of part: String) {
    events.record(NetworkEvent(time: time.clock.now.offset, part: part, kind: kind))
    // What an accepted report said is noted by whoever sent it.
    if case .reportAnswered(200..<300) = kind { return }
    recorder.record(part, .part(kind))
  }

  /// The configuration of a node at a place of the network.
  func configuration(
    _ blocks: BlockRange, agent: Address, index: Int
  ) -> NodeConfiguration {
    var configuration = NodeConfiguration(
      checkpoint: plan.model.checkpoint, blocks: blocks, agent: agent)
    configuration.tokenizer = plan.model.tokenizer
    if let profile = plan.agents.profile {
      configuration.http = .init()
      configuration.agentAPI = AgentAPISettings()
      configuration.agentProfile = profile
      configuration.clientIdleLimit = time.serverLimits.idleTime
    }
    plan.configureNode(index, &configuration)
    let (part, observe) = (NetworkNode.name(index), configuration.onActivity)
    configuration.onActivity = { [recorder] activity in
      observe?(activity)
      recorder.record(part, .session(activity))
    }
    return configuration
  }

  /// Starts a node: it serves when this returns, and does nothing by itself yet.
  /// - Throws: what starting a node or listening throws.
  func start(
    _ configuration: NodeConfiguration, key: SecretKey, index: Int
  ) async throws -> NetworkNode {
    var (links, setting) = (NodeLinks(), self)
    do {
      if plan.hasFaultyLinks {
        links.toChain = try await time.startLink(to: chainAddress)
        links.toOracle = try await time.startLink(to: oracleAddress)
        follow(links.toChain, from: .node(index), to: .chain)
        follow(links.toOracle, from: .node(index), to: .oracle)
        if let link = links.toChain { setting.chainAddress = link.serverAddress }
        if let link = links.toOracle { setting.oracleAddress = link.serverAddress }
      }
      let life = try NetworkNodeLife(
        configuration, key: key, proofs: ProofBuffer(), setting: setting, index: index)
      try await life.waitUntilReady()
      guard let address = life.node.address else {
        preconditionFailure("a ready node has an address")
      }
      do {
        if plan.hasFaultyLinks {
          links.fromClients = try await FaultyLink.start(
            to: address, clock: plan.delaysClientsOnNetworkTime ? time.clock : ContinuousClock(),
            monitor: time.clock.monitor)
          follow(links.fromClients, from: .client, to: .node(index))
          if let http = life.node.httpAddress {
            links.toHTTP = try await time.startLink(to: http)
            follow(links.toHTTP, from: .gateway, to: .node(index))
          }
        }
        try await reach?.attach(life.node, of: key.address)
      } catch {
        await life.kill()
        throw error
      }
      return NetworkNode(
        life, configuration, key: key, index: index, address: address, links: links,
        setting: setting)
    } catch {
      for link in links.all { await link.close() }
      throw error
    }
  }

  private func follow(_ link: FaultyLink?, from: NetworkPlace, to: NetworkPlace) {
    if let link { recorder.follow(link, from: from, to: to) }
  }
}
