import EthereumPrimitives
import PlumiseWire

/// The JSON of what the deployed dialect shows of the chain (Wire.md, deployed dialect).
extension DeployedReads {
  static func statistics(_ statistics: ChainTables.Statistics?) -> JSON {
    guard let statistics else {
      return ["blockNumber": "0", "activeAgents": 0, "totalAgents": 0, "currentEpoch": 0]
    }
    return [
      "blockNumber": .string(String(statistics.blockNumber)),
      "activeAgents": .integer(statistics.activeAgents),
      "totalAgents": .integer(statistics.totalAgents),
      "currentEpoch": .integer(statistics.currentEpoch), "updatedAt": date(statistics.updatedAt),
    ]
  }

  static func agent(
    _ agent: ChainTables.Agent, contributions: [ChainTables.Contribution]? = nil
  ) -> JSON {
    var object: JSONObject = [
      "wallet": .string(agent.wallet.lowercaseHex), "nodeId": .string(agent.nodeID),
      "metadata": .string(agent.metadata), "registeredAt": .string(String(agent.registeredAt)),
      "lastHeartbeat": .string(String(agent.lastHeartbeat)), "status": .integer(agent.status),
      "stake": .string(agent.stake.description), "updatedAt": date(agent.updatedAt),
    ]
    object["contributions"] = contributions.map { .array($0.map(contribution)) }
    return .object(object)
  }

  static func rewards(
    pending: Word, _ contributions: [ChainTables.Contribution], of address: String
  ) -> JSON {
    [
      "wallet": .string(address), "pendingReward": .string(pending.description),
      "contributions": .array(contributions.map(contribution)),
    ]
  }

  private static func contribution(_ contribution: ChainTables.Contribution) -> JSON {
    let score = contribution.score
    return [
      "epoch": .integer(contribution.epoch), "taskCount": .integer(score.taskCount),
      "uptimeSeconds": .integer(score.uptimeSeconds),
      "responseScore": .integer(score.responseScore),
      "processedTokens": .string(String(score.processedTokens)),
      "avgLatencyInv": .integer(score.averageLatencyInverse),
      "lastUpdated": .string(String(contribution.lastUpdated)),
    ]
  }

  static func epoch(
    _ epoch: ChainTables.Epoch, contributions: [ChainTables.Contribution]? = nil
  ) -> JSON {
    var object: JSONObject = [
      "number": .integer(epoch.number), "reward": .string(epoch.reward.description),
      "agentCount": .integer(epoch.agentCount), "distributed": .bool(epoch.isDistributed),
      "syncedAt": date(epoch.syncedAt),
    ]
    object["contributions"] = contributions.map { contributions in
      .array(
        contributions.map { contribution in
          [
            "wallet": .string(contribution.wallet.lowercaseHex),
            "taskCount": .integer(contribution.score.taskCount),
            "uptimeSeconds": .integer(contribution.score.uptimeSeconds),
            "responseScore": .integer(contribution.score.responseScore),
            "lastUpdated": .string(String(contribution.lastUpdated)),
          ]
        })
    }
    return .object(object)
  }

  static func challenge(_ challenge: ChainTables.Challenge) -> JSON {
    [
      "id": .integer(challenge.id), "difficulty": .integer(challenge.difficulty),
      "seed": .string(challenge.seed.hex), "createdAt": .string(String(challenge.createdAt)),
      "expiresAt": .string(String(challenge.expiresAt)), "solved": .bool(challenge.isSolved),
      "solver": challenge.solver.map { .string($0.checksummed) } ?? .null,
      "rewardBonus": .string(challenge.rewardBonus.description),
      "syncedAt": date(challenge.syncedAt),
    ]
  }

  static func leaderboard(_ earnings: [ChainTables.Earnings], at time: Duration) -> JSON {
    let total = earnings.reduce(Word.zero) { $0 + $1.reward }
    return [
      "updatedAt": date(time), "totalDistributed": .string(total.description),
      "agents": .array(
        earnings.enumerated().map { index, agent in
          [
            "rank": .integer(index + 1), "wallet": .string(agent.wallet.lowercaseHex),
            "totalRewardShare": .string(agent.reward.description),
            "epochCount": .integer(agent.epochCount),
            "totalTaskCount": .integer(agent.taskCount),
            "totalTokensProcessed": .string(String(agent.processedTokens)),
            "totalUptimeSeconds": .integer(agent.uptimeSeconds),
          ]
        }),
    ]
  }

  /// What an agent earned by the oracle's estimate, latest epoch first.
  static func rewardHistory(
    _ contributions: [ChainTables.Contribution], _ tables: ChainTables, of address: String
  ) -> JSON {
    let rewards = contributions.map { tables.estimatedReward(of: $0) }
    let total = rewards.reduce(Word.zero) { $0 + $1 }
    return [
      "wallet": .string(address), "totalEstimated": .string(total.description),
      "epochs": .array(
        zip(contributions, rewards).map { contribution, reward in
          let (epoch, score) = (tables.epochs[contribution.epoch], contribution.score)
          return [
            "epoch": .integer(contribution.epoch), "estimatedReward": .string(reward.description),
            "totalEpochReward": .string((epoch?.reward ?? .zero).description),
            "agentCount": .integer(epoch?.agentCount ?? 0),
            "contribution": [
              "taskCount": .integer(score.taskCount),
              "uptimeSeconds": .integer(score.uptimeSeconds),
              "responseScore": .integer(score.responseScore),
              "processedTokens": .string(String(score.processedTokens)),
            ],
          ]
        }),
    ]
  }

  /// How coins are issued.
  /// - Parameter balances: wei of the genesis contracts, in the order of their addresses from 0x1000.
  static func tokenomics(
    block: UInt64, epoch: UInt64, balances: [Word], at time: Duration
  ) -> JSON {
    let interval: UInt64 = 42_048_000
    let halvings = block / interval
    let next = (halvings + 1).multipliedReportingOverflow(by: interval).partialValue
    // Beyond a thousand halvings no double is above zero.
    let reward =
      halvings > 1100 ? 0 : 10 * Double(sign: .plus, exponent: -Int(halvings), significand: 1)
    let names = ["rewardPool", "foundation", "ecosystem", "team", "liquidity"]
    return [
      "currentBlock": .integer(block), "currentEpoch": .integer(epoch),
      "blocksPerEpoch": .integer(PlumiseNetwork.epochBlocks),
      "blockRewardPLM": .string(JSONNumber(javaScript: reward).text),
      "halvingInterval": .integer(interval), "halvingCount": .integer(halvings),
      "nextHalvingBlock": .integer(next), "blocksUntilHalving": .integer(next - block),
      "nextHalvingEstDate": date(time + PlumiseNetwork.blockInterval * Int(clamping: next - block)),
      "genesisSupply": "159000000",
      "allocations": .object(
        JSONObject(
          uniqueMembers: zip(names, balances).map { ($0, .string($1.description)) })),
    ]
  }
}
