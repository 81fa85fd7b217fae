import EthereumClient
import EthereumPrimitives
import MockOracle
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

/// Drifts that the bytecode of the main network's contracts shows.
@Suite("Drift on the main network", .timeLimit(.minutes(5))) struct MainnetDriftTests {
  private let network = TestChain(ChainConfiguration(profile: .mainnet2026))
  private let manager = PlumiseNetwork.Contract.challengeManager
  private let pool = PlumiseNetwork.Contract.rewardPool
  private var agent: DevelopmentAccount { network.account(0) }

  private func oracle(_ profile: OracleProfile) -> MockOracle {
    var configuration = OracleConfiguration(
      dialects: [.deployed], profile: profile, registration: .chain(network.client),
      epoch: .chain(network.client), unixClock: TestTime(Int64(TestChain.time) + 10).clock)
    configuration.chainOperations = ChainOperationsPlan(
      account: OracleAccount(key: network.oracle.key, client: network.client),
      challengeManager: manager, awaitsChallengeManager: true, clock: ManualClock())
    return MockOracle(configuration)
  }

  /// Has the owner of the contracts allow the oracle to open challenges.
  private func allowChallenges() async throws {
    let owner = PlumiseNetwork.Contract.deployer
    network.chain.fund(owner)
    _ = try await network.client.request("anvil_impersonateAccount", [.string(owner.lowercaseHex)])
    let input = ABI.call(
      "setAutomation(address,bool)", [.address(network.oracle.address), .bool(true)])
    let hash = try await network.client.request(
      "eth_sendTransaction",
      [
        [
          "from": .string(owner.lowercaseHex), "to": .string(manager.lowercaseHex),
          "data": .string(Hex.encode(input)),
        ]
      ])
    let receipt = try await network.client.receipt(of: Hash32(#require(hash.stringValue)))
    #expect(receipt?.succeeded == true)
  }

  private func register() async throws {
    let call = AgentRegistryCall.registerAgent(nodeID: Keccak256.hash("a"), metadata: "{}")
    let receipt = try await network.send(
      call.input, to: PlumiseNetwork.Contract.agentRegistry, from: agent)
    #expect(receipt.succeeded)
  }

  private func submission(_ id: Word, _ solution: Hash32) -> [UInt8] {
    ABI.call("submitSolution(uint256,bytes32)", [.uint(id), .bytes32(solution)])
  }

  @Test(
    "28: a challenge of difficulty 5 is refused, and each right solution of one of 8 is reverted")
  func challenges() async throws {
    try await allowChallenges()
    try await register()
    let faithful = oracle(.faithful)
    await faithful.perform(.challenges)
    let refused = try #require(faithful.chainOperations?.entries.last)
    #expect("\(refused.result)".contains("Invalid difficulty"), "\(refused)")

    let fixed = oracle(.fixed)
    await fixed.perform(.challenges)
    let current = await fixed.get("/api/challenges/current").body
    #expect(current?["id"] == 1 && current?["difficulty"] == 8)
    let seed = try Hash32(#require(current?["seed"]?.stringValue))
    func isRight(_ solution: Hash32) -> Bool {
      Keccak256.hash(seed.bytes + solution.bytes + agent.address.bytes).bytes[0] == 0
    }
    let candidates = (0..<20_000).map { Hash32(word: Word(UInt64($0))) }
    let right = try #require(candidates.first { isRight($0) })
    let wrong = try #require(candidates.first { !isRight($0) })
    #expect(
      try await network.revertReason(
        submission(1, wrong), to: manager, from: agent) == "Invalid solution")
    // ChallengeManager reports the solution to the pool, whose oracle it is not.
    #expect(
      try await network.revertReason(
        submission(1, right), to: manager, from: agent) == "Only oracle")
  }

  @Test("50: a function of the agent's own ABI file is in no contract")
  func agentsOwnABI() async throws {
    let input = ABI.call("register(string,string)", [.string("agent-1"), .string("{}")])
    for profile in [ChainProfile.default, .testnet2026, .mainnet2026] {
      let network = TestChain(ChainConfiguration(profile: profile))
      #expect(
        try await network.revertReason(
          input, to: PlumiseNetwork.Contract.agentRegistry, from: network.account(0)) == "",
        "\(profile)")
    }
  }

  @Test(
    "29: the genesis pool takes no six arguments, and its contributions of four words cannot be read",
    arguments: OracleProfile.allCases)
  func genesisPool(profile: OracleProfile) async throws {
    let six = Contribution(
      taskCount: 1, uptimeSeconds: 1, responseScore: 1,
      throughput: .init(processedTokens: 1, averageLatencyInverse: 1))
    let four = Contribution(taskCount: 1, uptimeSeconds: 60, responseScore: 1)
    #expect(
      try await network.revertReason(
        RewardPoolCall.reportContribution(agent: agent.address, six).input, to: pool,
        from: network.oracle) == "")
    let oracle = oracle(profile)
    network.chain.endEpoch()
    // The first look notes the epoch.
    await oracle.perform(.distribution)
    // The registration is a heartbeat as well, without which the pool takes no contribution.
    try await register()
    try await network.send(RewardPoolCall.syncRewards.input, to: pool, from: agent)
    let reported = try await network.send(
      RewardPoolCall.reportContribution(agent: agent.address, four).input, to: pool,
      from: network.oracle, gas: 1_000_000)
    #expect(reported.succeeded)
    network.chain.endEpoch()
    await oracle.perform(.distribution)
    // The epoch is shared out on the chain; what was contributed to it the oracle fails to read.
    #expect(network.chain.pendingReward(of: agent.address) > .zero)
    let shared = oracle.chainOperations?.entries.last { $0.operation == .distribution }
    #expect(shared?.call == "distributeRewards(uint256)" && shared?.epoch == 1)
    #expect(await oracle.get("/api/epochs/1").body?["contributions"] == [])
  }
}
