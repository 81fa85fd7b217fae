import EthereumPrimitives
import PlumiseWire

/// RewardPool.distributeRewards: shares an ended epoch's reward among its agents.
enum RewardDistribution {
  static func run(
    _ pool: Address, _ epochNumber: Word, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    guard let number = epochNumber.exactUInt64(), number < RewardPoolContract.epoch(execution)
    else { throw Revert("Epoch not ended") }
    var epoch = execution.state.pool[epoch: number]
    guard !epoch.isDistributed else { throw Revert("Already distributed") }
    guard !epoch.reward.isZero else { throw Revert("No rewards") }
    epoch.isDistributed = true
    execution.state.pool[epoch: number] = epoch

    let shares = try shares(of: epoch)
    for (agent, share) in shares {
      let pending = execution.state.pool.pending[agent] ?? .zero
      execution.state.pool.pending[agent] = pending.adding(share, upTo: .max)
    }
    // With no score at all the reward stays in the pool, and the event says so.
    let totals: [Word] =
      shares.isEmpty ? [.zero, .zero] : [epoch.reward, Word(UInt64(epoch.agents.count))]
    execution.emit(
      .event(
        .rewardsDistributed, from: pool, indexed: [Word(number)], data: ABIResult.words(totals)))
    return []
  }

  /// Each scoring agent's share, rounded down; the last one gets what is left, so that none of
  /// the reward is lost.
  private static func shares(
    of epoch: RewardPoolState.Epoch
  ) throws(Revert) -> [(agent: Address, share: Word)] {
    let scores = epoch.agents
      .map { (agent: $0, score: (epoch.contributions[$0] ?? ContributionRecord()).score) }
      .filter { !$0.score.isZero }
    let total = scores.reduce(Word.zero) { $0 + $1.score }
    var left = epoch.reward
    var shares: [(agent: Address, share: Word)] = []
    for entry in scores.dropLast() {
      let (product, overflow) = epoch.reward.multipliedReportingOverflow(by: entry.score)
      // Only a balance that a test made up is so large; Solidity panics here.
      guard !overflow else { throw .silent }
      shares.append((entry.agent, product / total))
      left -= product / total
    }
    if let last = scores.last { shares.append((last.agent, left)) }
    return shares
  }
}
