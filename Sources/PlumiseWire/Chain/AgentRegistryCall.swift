public import EthereumPrimitives

/// A call of the contract AgentRegistry.
public enum AgentRegistryCall: ContractCall {
  /// Registers the sender under a node id, with a description.
  case registerAgent(nodeID: Hash32, metadata: String)
  /// Says that the sender is alive.
  case heartbeat
  /// Changes the sender's description.
  case updateMetadata(String)
  /// Removes the sender.
  case deregisterAgent
  /// Reads the record of an agent.
  case getAgent(Address)
  /// Reads the accounts of the agents that are active.
  case getActiveAgents
  /// Reads how many agents are active.
  case getActiveAgentCount
  /// Reads whether an agent is active.
  case isActive(Address)
  /// Reads whether an agent is registered.
  case isRegistered(Address)

  /// The function's name and the types of its arguments.
  public var signature: String {
    switch self {
    case .registerAgent: "registerAgent(bytes32,string)"
    case .heartbeat: "heartbeat()"
    case .updateMetadata: "updateMetadata(string)"
    case .deregisterAgent: "deregisterAgent()"
    case .getAgent: "getAgent(address)"
    case .getActiveAgents: "getActiveAgents()"
    case .getActiveAgentCount: "getActiveAgentCount()"
    case .isActive: "isActive(address)"
    case .isRegistered: "isRegistered(address)"
    }
  }

  /// The arguments in order.
  public var arguments: [ABIValue] {
    switch self {
    case .registerAgent(let nodeID, let metadata): [.bytes32(nodeID), .string(metadata)]
    case .updateMetadata(let metadata): [.string(metadata)]
    case .getAgent(let agent), .isActive(let agent), .isRegistered(let agent): [.address(agent)]
    case .heartbeat, .deregisterAgent, .getActiveAgents, .getActiveAgentCount: []
    }
  }

  /// Every function of AgentRegistry that is known here.
  public static let functions: [ContractFunction<AgentRegistryCall>] = [
    .init("registerAgent(bytes32,string)", [.bytes32, .string]) {
      guard case .bytes32(let nodeID) = $0[0], case .string(let metadata) = $0[1] else {
        return nil
      }
      return .registerAgent(nodeID: nodeID, metadata: metadata)
    },
    .init("heartbeat()") { _ in .heartbeat },
    .init("updateMetadata(string)", [.string]) {
      guard case .string(let metadata) = $0[0] else { return nil }
      return .updateMetadata(metadata)
    },
    .init("deregisterAgent()") { _ in .deregisterAgent },
    .init("getAgent(address)", [.address]) { $0.address(0).map { .getAgent($0) } },
    .init("getActiveAgents()") { _ in .getActiveAgents },
    .init("getActiveAgentCount()") { _ in .getActiveAgentCount },
    .init("isActive(address)", [.address]) { $0.address(0).map { .isActive($0) } },
    .init("isRegistered(address)", [.address]) { $0.address(0).map { .isRegistered($0) } },
  ]
}

extension [ABIValue] {
  /// The address at a place of decoded arguments.
  func address(_ index: Int) -> Address? {
    guard case .address(let address) = self[index] else { return nil }
    return address
  }

  /// The integer at a place of decoded arguments.
  func uint(_ index: Int) -> Word? {
    guard case .uint(let value) = self[index] else { return nil }
    return value
  }
}
