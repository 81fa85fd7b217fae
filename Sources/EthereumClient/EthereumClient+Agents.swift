public import EthereumPrimitives
import PlumiseWire

/// What the precompiles know of an agent (Wire.md, JSON-RPC).
public struct AgentStatusReport: Hashable, Sendable {
  /// The agent's account.
  public let address: Address
  /// Whether it registered.
  public let isRegistered: Bool
  /// Whether its stored status is "active".
  public let isActive: Bool
  /// AgentRegistry's identifier; empty for an agent of the precompile.
  public let nodeID: String
  /// Seconds since 1970; 0 before the first heartbeat.
  public let lastHeartbeat: UInt64
  /// Seconds since 1970; 0 when it is not registered.
  public let registeredAt: UInt64
  /// What it was paid so far, in wei.
  public let totalRewards: Word
  /// The name it registered with.
  public let metadata: String

  init(_ answer: AnswerReader) throws {
    address = try answer["address"].address()
    isRegistered = try answer["registered"].bool()
    isActive = try answer["active"].bool()
    nodeID = try answer["nodeId"].string()
    lastHeartbeat = try answer["lastHeartbeat"].uint64()
    registeredAt = try answer["registeredAt"].uint64()
    totalRewards = try answer["totalRewards"].word()
    metadata = try answer["metadata"].string()
  }
}

/// What Plumise adds to Ethereum's JSON-RPC.
extension EthereumClient {
  /// What the chain knows of an agent.
  public func agentStatus(of address: Address) async throws -> AgentStatusReport {
    try await ask("agent_getStatus", [.string(address.lowercaseHex)]) {
      try AgentStatusReport($0)
    }
  }

  /// Whether an address is an agent's.
  ///
  /// Both parameters are always sent: the chain refuses the method with one.
  public func isAgentAccount(
    _ address: Address, at block: BlockSelector = .latest
  ) async throws -> Bool {
    try await ask("agent_isAgentAccount", [.string(address.lowercaseHex), block.json]) {
      try $0.bool()
    }
  }
}
