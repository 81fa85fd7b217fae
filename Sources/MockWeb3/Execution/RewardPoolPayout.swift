import EVM
import EthereumPrimitives
import PlumiseWire

/// RewardPool.distributeRewards: shares an ended epoch's reward among its agents.
enum RewardDistribution {
  static func run(
    _ pool: Address, _ epochNumber: Word, in execution: Execution
  ) throws(Revert) -> [UInt8] {
    guard let number = epochNumber.exactUInt64(), number < RewardPoolContract.epoch(execution)
    else { throw Revert("Epoch not ended") }
    var epoch = execution.state.pool[epoch: number]
    execution.read(.isDistributed(number))
    guard !epoch.isDistributed else { throw Revert("Already distributed") }
    execution.read(.epochReward(number))
    guard !epoch.reward.isZero else { throw Revert("No rewards") }
    payForScores(of: epoch, number, in: execution)

    let shares = try shares(of: epoch, in: execution)
    for (agent, share) in shares {
      let pending = (execution.state.pool.pending[agent] ?? .zero).adding(share, upTo: .max)
      execution.update(.pending(agent), pending)
      execution.state.pool.pending[agent] = pending
    }
    execution.update(.isDistributed(number), 1)
    epoch.isDistributed = true
    execution.state.pool[epoch: number] = epoch
    // With no score at all the reward stays in the pool, and the event says so.
    let totals: [Word] =
      shares.isEmpty ? [.zero, .zero] : [epoch.reward, Word(UInt64(epoch.agents.count))]
    execution.emitPaid(
      .event(
        .rewardsDistributed, from: pool, indexed: [Word(number)], data: ABIResult.words(totals)))
    return []
  }

  /// Pays for reading the reward, the agents, and of each the words and the weights of its score.
  private static func payForScores(
    of epoch: RewardPoolState.Epoch, _ number: UInt64, in execution: Execution
  ) {
    execution.read(.epochReward(number))
    execution.read(.epochAgentCount(number))
    for index in epoch.agents.indices { execution.read(.epochAgent(number, index)) }
    let version = execution.rules.rewardPoolVersion
    // Version 1 computes the scores again to find the last one, and to share.
    for _ in 0..<(version == .one ? 3 : 1) {
      for agent in epoch.agents {
        for index in 0..<version.wordCount {
          execution.read(.epochContribution(number, agent, index))
        }
        for index in version.weights.indices { execution.read(.weight(index)) }
      }
    }
  }

  /// Each scoring agent's share, rounded down; the last one gets what is left, so that none of
  /// the reward is lost.
  private static func shares(
    of epoch: RewardPoolState.Epoch, in execution: Execution
  ) throws(Revert) -> [(agent: Address, share: Word)] {
    let (version, weights) = (execution.rules.rewardPoolVersion, execution.poolWeights)
    let scores = epoch.agents
      .map { agent in
        let record = epoch.contributions[agent] ?? ContributionRecord()
        return (agent: agent, score: version.score(of: record, weights: weights))
      }
      .filter { !$0.score.isZero }
    let total = scores.reduce(Word.zero) { $0 + $1.score }
    var left = epoch.reward
    var shares: [(agent: Address, share: Word)] = []
    for entry in scores.dropLast() {
      let (product, overflow) = epoch.reward.multipliedReportingOverflow(by: entry.score)
      // Only a balance that a test made up is so large; Solidity panics here.
      guard !overflow else { throw .withoutReason }
      shares.append((entry.agent, product / total))
      left -= product / total
    }
    if let last = scores.last { shares.append((last.agent, left)) }
    return shares
  }
}

/// RewardPool.claimReward: pays an agent what is pending.
enum RewardClaim {
  static func run(
    agent: Address, pool: Address, in execution: Execution
  ) throws(Revert) -> [UInt8] {
    guard try execution.askIsRegistered(agent) else { throw Revert("Not registered") }
    execution.read(.pending(agent))
    guard let reward = execution.state.pool.pending[agent], !reward.isZero else {
      throw Revert("No rewards")
    }
    execution.write(.pending(agent), .zero)
    execution.write(.trackedBalance, execution.balance(of: pool) &- reward)
    execution.payForTransfer(to: agent)
    execution.state.pool.pending[agent] = nil
    guard execution.transfer(reward, from: pool, to: agent) else {
      throw Revert("Transfer failed")
    }
    execution.state.pool.trackedBalance = execution.balance(of: pool)
    execution.state.registry.update(agent) {
      $0.totalRewards = $0.totalRewards.adding(reward, upTo: .max)
    }
    execution.write(
      .reentrancyGuard, RewardPoolSlot.guardIsOpen, over: RewardPoolSlot.guardIsTaken)
    execution.state.pool.hasPaid = true
    execution.emitPaid(
      .event(
        .rewardClaimed, from: pool, indexed: [agent.word], data: reward.bigEndianBytes))
    return []
  }
}
