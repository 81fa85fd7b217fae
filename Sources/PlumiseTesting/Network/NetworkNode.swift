public import ChainAgent
public import EthereumPrimitives
public import InferenceMetrics
public import OracleReporter
public import PetalsNode
import PlumiseWire

/// One node of a network: what serves the blocks, and the agent that speaks for it.
public struct NetworkNode: Sendable {
  /// Serves the blocks; it is ready.
  public let node: PetalsNode
  /// Where it is reached: its own address, or that of its link.
  public let peer: PeerAddress
  /// The way to it, where the plan asks for one that can be broken.
  public let link: FaultyLink?
  /// The agent's key; its account has 10 000 PLM.
  public let key: SecretKey
  /// Registers and beats on the network's chain; it has done neither yet.
  public let agent: ChainAgent
  /// Reports to the network's oracle; it is not started.
  public let reporter: OracleReporter

  /// What the node has counted.
  public var metrics: MetricsCollector { node.metrics }
  /// The agent's address.
  public var address: Address { key.address }

  /// Registers the agent on the chain, by the name that the network's nodes give themselves.
  ///
  /// - Throws: `ChainAgentError` and `EthereumClientError`.
  @discardableResult
  public func register() async throws -> RegistrationOutcome {
    let model = node.configuration.checkpoint.name
    return try await agent.register(
      AgentRegistration(
        name: AgentRegistration.defaultName(model: model, agent: address),
        modelHash: Keccak256.hash(model)))
  }
}
