import EthereumClient
import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Reads of the chain", .timeLimit(.minutes(5))) struct ChainReadTests {
  @Test("An oracle that knows nothing of a chain says so, in each route's own way")
  func nothing() async throws {
    let oracle = MockOracle.deployed()
    let address = try testKey().address.checksummed
    let expected: [(String, JSON)] = [
      ("/api/stats", ["blockNumber": "0", "activeAgents": 0, "totalAgents": 0, "currentEpoch": 0]),
      ("/api/agents", []), ("/api/agents/active", []), ("/api/epochs", []),
      ("/api/challenges", []),
      (
        "/api/v1/leaderboard",
        ["updatedAt": "2026-02-04T10:13:20.000Z", "totalDistributed": "0", "agents": []]
      ),
      (
        "/api/v1/rewards/history/\(address)",
        ["wallet": .string(address), "totalEstimated": "0", "epochs": []]
      ),
      ("/api/formula", ["task": 50, "uptime": 30, "response": 20]),
    ]
    for (path, body) in expected {
      #expect(await oracle.get(path) == Answer(status: 200, body: body), "\(path)")
    }
    let current = await oracle.respond(to: WebRequest(.get, "/api/challenges/current"))
    #expect(current.status == .ok && current.body.isEmpty)
    for (path, status, message) in [
      ("/api/epochs/x", 404, "Invalid epoch number"), ("/api/epochs/0", 404, "Epoch not found"),
      ("/api/epochs/-1", 404, "Epoch not found"),
      ("/api/agents/\(address)", 404, "Agent not found"),
      ("/api/rewards/\(address)", 404, "RewardPool not configured"),
      ("/api/v1/rewards/history/0X1", 404, "Invalid address"),
      ("/api/v1/rewards/history/\(address)?limit=-1", 500, "Internal server error"),
      ("/api/v1/tokenomics", 500, "Internal server error"),
    ] {
      let answer = await oracle.get(path)
      #expect(answer.status == status && answer.message == message, "\(path)")
    }
  }

  @Test("A node that only the oracle knows is an active agent")
  func unsynchronised() async throws {
    let oracle = MockOracle.deployed()
    let key = try testKey()
    let report = try deployedReport(by: key)
    #expect(await oracle.post(report, to: ReportDialect.deployed.path).status == 201)
    let row: JSON = [
      "wallet": .string(key.address.lowercaseHex), "nodeId": "",
      "metadata": "precompile-registered", "registeredAt": "1770200000",
      "lastHeartbeat": "1770200000", "status": 1, "stake": "0",
      "updatedAt": "2026-02-04T10:13:20.000Z",
    ]
    #expect(await oracle.get("/api/agents").body == [row])
    #expect(await oracle.get("/api/agents/active").body == [row])
    let found = await oracle.get("/api/agents/\(key.address)").body?.objectValue
    #expect(found?["contributions"] == [] && found?["wallet"] == row["wallet"])
  }

  @Test("Pending rewards and the issue of coins are read from the chain; a minute's answer is kept")
  func chain() async throws {
    let network = TestChain()
    let oracle = MockOracle(
      OracleConfiguration(
        dialects: [.deployed], epoch: .chain(network.client),
        contributions: ContributionPlan(
          account: OracleAccount(key: network.oracle.key, client: network.client),
          clock: ManualClock()), unixClock: TestTime(1_770_200_000).clock))
    let address = try testKey().address
    #expect(
      await oracle.get("/api/rewards/\(address)").body
        == ["wallet": .string(address.checksummed), "pendingReward": "0", "contributions": []])
    #expect(
      await oracle.get("/api/rewards/nobody").body
        == ["statusCode": 500, "message": "Internal server error"])
    network.chain.mine(2400)
    let coins = await oracle.get("/api/v1/tokenomics").body
    #expect(coins?["currentBlock"] == 2400 && coins?["currentEpoch"] == 2)
    #expect(coins?["blockRewardPLM"] == "10" && coins?["halvingCount"] == 0)
    #expect(coins?["blocksUntilHalving"] == 42_045_600)
    // 42 045 600 blocks of 3 s from 2026-02-04 10:13:20 on.
    #expect(coins?["nextHalvingEstDate"] == "2030-02-03T08:13:20.000Z")
    #expect(coins?["genesisSupply"] == "159000000")
    #expect(coins?["allocations"]?["rewardPool"] == "24000000000000000000000")
    #expect(coins?["allocations"]?["liquidity"] == "0")
    network.chain.mine(1)
    #expect(await oracle.get("/api/v1/tokenomics").body == coins)
  }
}
