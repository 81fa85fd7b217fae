import AsyncPrimitives
import Bloom
import ChainAgent
import EthereumPrimitives
import InferenceMetrics
import MockServing
import PetalsNode

/// What the nodes of a network need of it.
struct NodeSetting: Sendable {
  let plan: NetworkPlan
  let time: NetworkTime
  let chainAddress: ServerAddress
  let oracleAddress: ServerAddress
  let events: Journal<NetworkEvent>

  /// Notes an event of a part.
  func note(_ kind: NetworkEvent.Kind, of part: String) {
    events.record(NetworkEvent(time: time.clock.now.offset, part: part, kind: kind))
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
    return configuration
  }

  /// Starts a node: it serves when this returns, and does nothing by itself yet.
  /// - Throws: what starting a node or listening throws.
  func start(
    _ configuration: NodeConfiguration, key: SecretKey, index: Int
  ) async throws -> NetworkNode {
    let life = try NetworkNodeLife(
      configuration, key: key, proofs: ProofBuffer(), setting: self,
      note: { note($0, of: NetworkNode.name(index)) })
    try await life.waitUntilReady()
    guard let address = life.node.address else {
      preconditionFailure("a ready node has an address")
    }
    do {
      var link: FaultyLink?
      if plan.hasFaultyLinks {
        // Clients measure real time, unless they are told otherwise.
        link = try await FaultyLink.start(
          to: address, clock: ContinuousClock(), monitor: time.clock.monitor)
      }
      return NetworkNode(
        life, configuration, key: key, index: index, address: address, link: link, setting: self)
    } catch {
      await life.kill()
      throw error
    }
  }
}
