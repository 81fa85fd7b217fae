import HTTPTypes
import MockServing
import PlumiseWire

/// The routes of the deployed dialect that show what is on the chain.
extension DeployedRoutes {
  static let chain: [OracleRoute] = [
    read(
      "/api/stats", nil, "The network in sum, as it was found last.", [],
      .object(
        [
          ("blockNumber", .text), ("activeAgents", .integer), ("totalAgents", .integer),
          ("currentEpoch", .integer),
        ], optional: [("updatedAt", .text)]), errors: [], MockOracle.readStatistics),
    read(
      "/api/agents", "", "Every agent that is known.", [], .list(.object(agent)), errors: [],
      MockOracle.readAgents),
    read(
      "/api/agents", "/active", "Those of the agents that are active.", [], .list(.object(agent)),
      errors: [], MockOracle.readActiveAgents),
    read(
      "/api/agents", "/{address}", "One agent with its latest contributions.", [.path("address")],
      .object(agent + [("contributions", .list(.object(contribution)))]),
      errors: [(404, "Nothing is known about this agent.", error)], MockOracle.readAgent),
    read(
      "/api/epochs", "", "The latest epochs, newest first.", [], .list(.object(epoch)), errors: [],
      MockOracle.readEpochs),
    read(
      "/api/epochs", "/{number}", "One epoch with what was contributed to it.", [.path("number")],
      .object(epoch + [("contributions", .list(.object(epochContribution)))]),
      errors: [(404, "There is no such epoch.", error)], MockOracle.readEpoch),
    read(
      "/api/challenges", "", "The latest challenges, newest first.", [],
      .list(.object(challenge)), errors: [], MockOracle.readChallenges),
    OracleRoute(
      .get, "/api/challenges", "/current", dialect: .deployed,
      summary: "The newest open challenge; an empty body where there is none.",
      answers: [(200, "What is known.", .object(challenge))]
    ) { oracle, _ in
      guard let open = oracle.openChallenge else {
        return Reply(response: WebResponse(status: .ok), outcome: .served)
      }
      return .served(open)
    },
    read(
      "/api/rewards", "/{address}", "An agent's reward that is not paid yet.", [.path("address")],
      .object([
        ("wallet", .text), ("pendingReward", .text),
        ("contributions", .list(.object(contribution))),
      ]), errors: [(404, "The oracle has no chain.", error), chainAway], MockOracle.readRewards),
    read(
      "/api/formula", nil, "How a score is weighted, in hundredths.", [],
      .object([("task", .integer), ("uptime", .integer), ("response", .integer)]), errors: []
    ) { _ in { _ in ["task": 50, "uptime": 30, "response": 20] } },
    read(
      "/api/v1/leaderboard", nil, "The agents by their estimated rewards.",
      [.query("limit", .integer)],
      .object([
        ("updatedAt", .text), ("totalDistributed", .text),
        (
          "agents",
          .list(
            .object([
              ("rank", .integer), ("wallet", .address), ("totalRewardShare", .text),
              ("epochCount", .integer), ("totalTaskCount", .integer),
              ("totalTokensProcessed", .text), ("totalUptimeSeconds", .integer),
            ]))
        ),
      ]), errors: [], MockOracle.readLeaderboard),
    read(
      "/api/v1/rewards/history", "/{address}", "An agent's estimated rewards by epoch.",
      [.path("address"), .query("limit", .integer)],
      .object([
        ("wallet", .text), ("totalEstimated", .text),
        (
          "epochs",
          .list(
            .object([
              ("epoch", .integer), ("estimatedReward", .text), ("totalEpochReward", .text),
              ("agentCount", .integer),
              (
                "contribution",
                .object([
                  ("taskCount", .integer), ("uptimeSeconds", .integer),
                  ("responseScore", .integer), ("processedTokens", .text),
                ])
              ),
            ]))
        ),
      ]), errors: [(404, "That is no address.", error), chainAway], MockOracle.readRewardHistory),
    read(
      "/api/v1/tokenomics", nil, "How coins are issued.", [],
      .object([
        ("currentBlock", .integer), ("currentEpoch", .integer), ("blocksPerEpoch", .integer),
        ("blockRewardPLM", .text), ("halvingInterval", .integer), ("halvingCount", .integer),
        ("nextHalvingBlock", .integer), ("blocksUntilHalving", .integer),
        ("nextHalvingEstDate", .text), ("genesisSupply", .text),
        (
          "allocations",
          .object([
            ("rewardPool", .text), ("foundation", .text), ("ecosystem", .text), ("team", .text),
            ("liquidity", .text),
          ])
        ),
      ]), errors: [chainAway], MockOracle.readTokenomics),
  ]

  private static let agent: [(String, Schema)] = [
    ("wallet", .address), ("nodeId", .text), ("metadata", .text), ("registeredAt", .text),
    ("lastHeartbeat", .text), ("status", .integer), ("stake", .text), ("updatedAt", .text),
  ]

  private static let contribution: [(String, Schema)] = [
    ("epoch", .integer), ("taskCount", .integer), ("uptimeSeconds", .integer),
    ("responseScore", .integer), ("processedTokens", .text), ("avgLatencyInv", .integer),
    ("lastUpdated", .text),
  ]

  private static let epoch: [(String, Schema)] = [
    ("number", .integer), ("reward", .text), ("agentCount", .integer), ("distributed", .flag),
    ("syncedAt", .text),
  ]

  private static let epochContribution: [(String, Schema)] = [
    ("wallet", .address), ("taskCount", .integer), ("uptimeSeconds", .integer),
    ("responseScore", .integer), ("lastUpdated", .text),
  ]

  private static let challenge: [(String, Schema)] = [
    ("id", .integer), ("difficulty", .integer), ("seed", .hash), ("createdAt", .text),
    ("expiresAt", .text), ("solved", .flag), ("solver", .nullable(.address)),
    ("rewardBonus", .text), ("syncedAt", .text),
  ]
}
