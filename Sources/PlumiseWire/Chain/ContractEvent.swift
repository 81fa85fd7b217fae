public import EthereumPrimitives

/// An event that Plumise's contracts log.
public enum ContractEvent: String, CaseIterable, Hashable, Sendable {
  /// RewardPool: an agent's reward was paid; topic agent, data amount.
  case rewardClaimed = "RewardClaimed(address,uint256)"
  /// RewardPool: the oracle reported; topic agent, data epoch and the five numbers.
  case contributionReported =
    "ContributionReported(address,uint256,uint256,uint256,uint256,uint256,uint256)"
  /// RewardPool: an epoch was shared out; topic epoch, data amount and agents.
  case rewardsDistributed = "RewardsDistributed(uint256,uint256,uint256)"
  /// RewardPool: money came in; data amount and epoch.
  case rewardReceived = "RewardReceived(uint256,uint256)"
  /// AgentRegistry: an agent registered; topics agent and node id, data description.
  case agentRegistered = "AgentRegistered(address,bytes32,string)"
  /// AgentRegistry: an agent is alive; topic agent, data time.
  case heartbeat = "Heartbeat(address,uint256)"

  /// The event's first topic: keccak256 of its signature.
  public var topic: Hash32 { ABI.eventTopic(rawValue) }
}
