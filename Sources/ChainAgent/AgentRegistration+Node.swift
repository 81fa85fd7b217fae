public import EthereumPrimitives
public import PlumiseWire

extension AgentRegistration {
  /// How a node registers its agent: by the name that the network's nodes give themselves.
  /// - Parameters:
  ///   - model: What the node serves.
  ///   - agent: Its account.
  public static func ofNode(serving model: String, as agent: Address) -> AgentRegistration {
    AgentRegistration(
      name: defaultName(model: model, agent: agent), modelHash: Keccak256.hash(model))
  }
}
