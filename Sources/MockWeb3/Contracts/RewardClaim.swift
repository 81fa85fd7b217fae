import EthereumPrimitives
import PlumiseWire

/// RewardPool.claimReward: pays an agent what is pending.
enum RewardClaim {
  static func run(
    agent: Address, pool: Address, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    guard execution.state.registry.isRegistered(agent) else { throw Revert("Not registered") }
    guard let reward = execution.state.pool.pending[agent], !reward.isZero else {
      throw Revert("No rewards")
    }
    execution.state.pool.pending[agent] = nil
    guard execution.state.debit(reward, from: pool) else { throw Revert("Transfer failed") }
    // As in the contract: coins that were not counted in by now never will be.
    execution.state.pool.trackedBalance = execution.state[pool].balance
    execution.state.credit(reward, to: agent)
    execution.state.registry.update(agent) {
      $0.totalRewards = $0.totalRewards.adding(reward, upTo: .max)
    }
    execution.emit(
      .event(
        .rewardClaimed, from: pool, indexed: [agent.word], data: reward.bigEndianBytes))
    return []
  }
}
