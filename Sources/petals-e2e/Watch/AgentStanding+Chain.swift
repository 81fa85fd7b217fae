import EthereumClient
import EthereumPrimitives
import NetworkWatch
import PlumiseWire

extension EthereumClient {
  /// What the chain keeps of an agent at its latest block.
  func standing(of agent: Address) async throws -> AgentStanding {
    let status = try await agentStatus(of: agent)
    let pending = try await call(
      to: PlumiseNetwork.Contract.rewardPool, data: RewardPoolCall.getPendingReward(agent).input)
    return AgentStanding(
      agent: agent.checksummed, name: status.metadata, registered: status.isRegistered,
      active: status.isActive, lastHeartbeat: Int(clamping: status.lastHeartbeat),
      paid: "\(status.totalRewards)", pending: "\(try Word(bigEndian: pending))",
      balance: "\(try await balance(of: agent))")
  }
}
