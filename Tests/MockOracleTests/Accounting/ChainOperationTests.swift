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

/// An oracle that does on a chain in process what the deployed one does by itself.
private struct Operations {
  let network: TestChain
  let oracle: MockOracle
  let clock = ManualClock()
  /// The oracle's time, which is near the chain's.
  let time = TestTime(Int64(TestChain.time) + 10)

  init(
    _ profile: OracleProfile = .fixed, chain: ChainProfile = .default,
    operations: Set<ChainOperation> = Set(ChainOperation.allCases),
    registration: RegistrationCheck? = nil, challengeManager: Address? = nil
  ) {
    self.init(
      profile, TestChain(ChainConfiguration(profile: chain)), operations: operations,
      registration: registration, challengeManager: challengeManager)
  }

  init(
    _ profile: OracleProfile, _ network: TestChain,
    operations: Set<ChainOperation> = Set(ChainOperation.allCases),
    registration: RegistrationCheck? = nil, challengeManager: Address? = nil
  ) {
    self.network = network
    var configuration = OracleConfiguration(
      dialects: [.deployed], profile: profile, registration: registration ?? .chain(network.client),
      epoch: .chain(network.client), unixClock: time.clock)
    configuration.chainOperations = ChainOperationsPlan(
      account: OracleAccount(key: network.oracle.key, client: network.client),
      operations: operations, challengeManager: challengeManager, clock: clock)
    oracle = MockOracle(configuration)
  }

  /// Lets the oracle take a report.
  func report(
    by key: SecretKey, tokens: Int64 = 600, after seconds: Int64 = 0
  ) async throws -> Answer {
    await oracle.post(
      try deployedReport(by: key, tokens: tokens, timestamp: time.seconds + seconds),
      to: ReportDialect.deployed.path)
  }

  /// Registers a member of a pipeline.
  func join(_ key: SecretKey) async -> Answer {
    await oracle.post(
      pipelineRegistration(by: key, timestamp: time.seconds), to: PipelineRegistration.path)
  }

  /// Notes the block of the first look, lets so many blocks as lie between two runs pass, and keeps
  /// the pipelines' members active.
  func reachContributions() async {
    await oracle.perform(.monitoring)
    await oracle.perform(.contributions)
    network.chain.mine(Int(PlumiseNetwork.epochBlocks))
    await oracle.perform(.heartbeats)
  }

  var outcomes: [ChainOperationOutcome] { oracle.chainOperations?.entries ?? [] }

  func outcomes(of operation: ChainOperation) -> [ChainOperationOutcome] {
    outcomes.filter { $0.operation == operation }
  }
}

extension ChainOperationOutcome {
  fileprivate var hasSucceeded: Bool {
    if case .mined(_, succeeded: true) = result { true } else { false }
  }

  fileprivate var reason: String? {
    if case .failed(let reason) = result { reason } else { nil }
  }
}

@Suite("What the oracle does on the chain by itself", .timeLimit(.minutes(5)))
struct ChainOperationTests {
  @Test("A node that is not on the chain is registered there under its last eight digits")
  func nodeRegistration() async throws {
    let operations = Operations()
    let key = try testKey()
    let body = TestSupport.nodeRegistration(by: key, timestamp: operations.time.seconds)
    #expect(
      await operations.oracle.post(body, to: NodeRegistration.path)
        == Answer(
          status: 201, body: ["success": true, "message": "Node registered successfully"]))
    let record = try #require(operations.network.chain.agent(key.address))
    #expect(record.metadata == "agent-" + key.address.lowercaseHex.suffix(8))
    #expect(record.modelHash == .zero && record.capabilities.isEmpty)
  }

  @Test("A member of a pipeline is registered as plumise-agent, with its model and 300 000 gas")
  func pipelineRegistration() async throws {
    let operations = Operations()
    let key = try testKey()
    #expect(await operations.join(key).status == 201)
    let record = try #require(operations.network.chain.agent(key.address))
    #expect(record.metadata == "plumise-agent")
    #expect(record.modelHash == Keccak256.hash(PlumiseNetwork.model))
    let sent = try #require(operations.network.chain.transactions.last)
    #expect(
      sent.transaction.gasLimit == 300_000 && sent.sender == operations.network.oracle.address)
  }

  @Test("A registration that fails, or is not found, is told in each part's words")
  func registrationFailures() async throws {
    let failing = Operations()
    let key = try testKey()
    failing.network.chain.inject(.revert(reason: "no"))
    let node = TestSupport.nodeRegistration(by: key, timestamp: failing.time.seconds)
    let refused = await failing.oracle.post(node, to: NodeRegistration.path)
    #expect(refused.status == 400)
    #expect(refused.message == "Failed to sponsor on-chain registration")
    failing.network.chain.inject(.revert(reason: "no"))
    let hash = await failing.join(key).message?.split(separator: " ").last.map(String.init)
    #expect(
      await failing.join(key).status == 201,
      "the fault met one transaction")
    let reverted = try #require(failing.network.chain.transactions.dropLast().last)
    #expect(hash == reverted.hash.hex)

    let blind = Operations(registration: RegistrationCheck { _ in false })
    let missing = await blind.oracle.post(node, to: NodeRegistration.path)
    #expect(
      missing.message == "Sponsored registration tx succeeded but agent still not found on-chain")
    #expect(
      await blind.join(try testKey(2)).body == [
        "statusCode": 400,
        "message": "Sponsor registration tx succeeded but agent still not found on-chain",
      ])
    let idle = Operations(operations: [.monitoring])
    #expect(
      await idle.oracle.post(node, to: NodeRegistration.path).message
        == "Address not registered as agent on-chain")
  }

  @Test("While it is served, each operation has its interval; heartbeats keep to the minutes")
  func intervals() async throws {
    let operations = Operations()
    let key = try testKey()
    #expect(await operations.join(key).status == 201)
    // 1 770 000 010 is ten seconds behind a minute that is divisible by 5.
    try await operations.oracle.withServer { _ in
      try await operations.clock.waitForSleepers(6)
      #expect(
        operations.clock.deadlines.map(\.offset)
          == [
            .seconds(30), .seconds(60), .seconds(60), .seconds(290), .seconds(600), .seconds(3600),
          ])
      operations.clock.advance(by: .seconds(290))
      let beat = try await operations.oracle.chainOperations?.next { $0.operation == .heartbeats }
      #expect(beat?.agent == key.address && beat?.call == "0x22")
    }
    #expect(operations.clock.deadlines.isEmpty)
    let sent = try #require(
      operations.network.chain.transactions.last { $0.transaction.to == .precompile(0x22) })
    #expect(sent.transaction.gasLimit == 100_000)
    #expect(sent.transaction.data == ABI.word(key.address))
    #expect(operations.network.chain.agent(key.address)?.lastHeartbeat != 0)
  }

  @Test("An agent's contribution has four arguments, and its work a heartbeat with it")
  func contribution() async throws {
    let operations = Operations()
    let key = try testKey()
    #expect(await operations.join(key).status == 201)
    await operations.reachContributions()
    #expect(try await operations.report(by: key).status == 201)
    await operations.oracle.perform(.contributions)
    let made = operations.outcomes(of: .contributions)
    #expect(made.map(\.call) == ["reportContribution(address,uint256,uint256,uint256)", "0x22"])
    #expect(made.first?.hasSucceeded == true && made.first?.epoch == 1)
    #expect(
      made.first?.contribution
        == Contribution(taskCount: 0, uptimeSeconds: 60, responseScore: 0))
    let row = await operations.oracle.get("/api/agents/\(key.address)").body?["contributions"]?[0]
    #expect(row?["epoch"] == 1 && row?["uptimeSeconds"] == 60 && row?["taskCount"] == 0)
    // Tokens and latency stay in the oracle's tables.
    #expect(row?["processedTokens"] == "600" && row?["avgLatencyInv"] == 9900)
    // The next run is 1200 blocks later, and knows of no uptime without another report.
    await operations.oracle.perform(.contributions)
    #expect(operations.outcomes(of: .contributions).count == 2)
    await operations.reachContributions()
    await operations.oracle.perform(.contributions)
    let later = operations.outcomes(of: .contributions).last
    #expect(
      later?.contribution == Contribution(taskCount: 0, uptimeSeconds: 0, responseScore: 0))
  }

  @Test("The administration gives what became of each transaction in its parts")
  func administration() async throws {
    let operations = Operations()
    let key = try testKey()
    #expect(await operations.join(key).status == 201)
    await operations.reachContributions()
    #expect(try await operations.report(by: key).status == 201)
    operations.network.chain.inject(
      ChainFaultRule(.refuse(.refused("busy")), method: "eth_estimateGas"))
    await operations.oracle.perform(.contributions)
    await operations.reachContributions()
    await operations.oracle.perform(.contributions)
    let answer = await operations.oracle.administer(
      WebRequest(.get, "/operations"), FaultScript())
    let outcomes = try #require(JSON.parse(answer.body)["outcomes"]?.arrayValue)
    let results = outcomes.map { $0["result"] ?? .null }
    #expect(results.map { $0["status"] } == ["sent", "failed", "sent", "mined"])
    let sent = operations.network.chain.transactions
    #expect(results[0]["transaction"] == sent.dropFirst().first.map { .string($0.hash.hex) })
    #expect(results[1]["reason"]?.stringValue?.contains("busy") == true)
    #expect(results[3]["transaction"] == sent.last.map { .string($0.hash.hex) })
    #expect(results[3]["succeeded"] == true)
    #expect(outcomes[0]["contribution"] == .null)
    #expect(
      outcomes[3]["contribution"]
        == ["taskCount": "0", "uptimeSeconds": "60", "responseScore": "0"])
  }

  @Test("Uptimes are kept until every agent of a run got a receipt")
  func keptUntilAllSucceed() async throws {
    let operations = Operations()
    let (first, second) = (try testKey(1), try testKey(2))
    for key in [first, second] { #expect(await operations.join(key).status == 201) }
    await operations.reachContributions()
    for key in [first, second] { #expect(try await operations.report(by: key).status == 201) }
    for (isRefused, uptimes) in [(true, [60, 60]), (false, [60, 60]), (false, [0, 0])] {
      if isRefused {
        operations.network.chain.inject(
          ChainFaultRule(.refuse(.refused("busy")), method: "eth_estimateGas"))
      }
      let before = operations.outcomes(of: .contributions).count
      await operations.oracle.perform(.contributions)
      let run = operations.outcomes(of: .contributions).dropFirst(before)
        .compactMap(\.contribution)
      #expect(run.map(\.uptimeSeconds) == uptimes.map { Word(UInt64($0)) })
      await operations.reachContributions()
    }
    #expect(operations.outcomes(of: .contributions).compactMap(\.reason).count == 1)
  }

  @Test(
    "26: an agent that only AgentRegistry has is inactive to the deployed oracle",
    arguments: OracleProfile.allCases)
  func registryStatus(profile: OracleProfile) async throws {
    let operations = Operations(profile)
    let agent = operations.network.account(0)
    let nodeID = Hash32(word: 7)
    try await operations.network.send(
      AgentRegistryCall.registerAgent(nodeID: nodeID, metadata: "m").input,
      to: PlumiseNetwork.Contract.agentRegistry, from: agent)
    await operations.oracle.perform(.monitoring)
    let row = await operations.oracle.get("/api/agents").body?[0]
    #expect(row?["wallet"] == .string(agent.address.lowercaseHex))
    #expect(row?["nodeId"] == .string(nodeID.hex) && row?["metadata"] == "m")
    let isFixed = profile == .fixed
    #expect(row?["status"] == (isFixed ? 1 : 0))
    #expect(
      await operations.oracle.get("/api/agents/active").body?.arrayValue?.count
        == (isFixed ? 1 : 0))
    let network = await operations.oracle.get("/api/stats").body
    #expect(network?["totalAgents"] == 1 && network?["activeAgents"] == (isFixed ? 1 : 0))
    #expect(network?["blockNumber"] == "1" && network?["currentEpoch"] == 0)
    // 1200 blocks later it would be reported, if the oracle took it to be active.
    await operations.oracle.perform(.contributions)
    operations.network.chain.mine(1200)
    await operations.oracle.perform(.contributions)
    #expect(operations.outcomes(of: .contributions).count == (isFixed ? 1 : 0))
  }

  @Test(
    "30: what is sent for an agent is booked on the sender by the deployed oracle",
    arguments: OracleProfile.allCases)
  func bookings(profile: OracleProfile) async throws {
    let operations = Operations(profile)
    let key = try testKey()
    func heartbeats() async -> [String: String] {
      let rows = await operations.oracle.get("/api/agents").body?.arrayValue ?? []
      return Dictionary(
        uniqueKeysWithValues: rows.compactMap { row in
          row["wallet"]?.stringValue.map { ($0, row["lastHeartbeat"]?.stringValue ?? "") }
        })
    }
    // The first look only notes the block.
    await operations.oracle.perform(.monitoring)
    #expect(await operations.join(key).status == 201)
    operations.network.chain.increaseTime(by: 100)
    await operations.oracle.perform(.heartbeats)
    let sent = String(operations.network.chain.latestBlock.header.timestamp)
    await operations.oracle.perform(.monitoring)
    let (agent, sender) = (key.address.lowercaseHex, operations.network.oracle.address.lowercaseHex)
    switch profile {
    case .fixed: #expect(await heartbeats() == [agent: sent])
    case .faithful:
      #expect(await heartbeats() == [agent: String(operations.time.seconds), sender: sent])
    }
    // A call that was reverted is none: this agent is not on the chain.
    let stranger = try testKey(9).address
    let call = PrecompileCall.heartbeat(agent: stranger)
    try await operations.network.send(
      call.input, to: call.contract.address, from: operations.network.account(3))
    await operations.oracle.perform(.monitoring)
    #expect(await heartbeats().count == (profile == .fixed ? 1 : 2))
  }

  @Test(
    "Rewards are shared out one epoch back, without a second try, and then claimed",
    arguments: OracleProfile.allCases)
  func distribution(profile: OracleProfile) async throws {
    let operations = Operations(profile)
    let oracle = operations.oracle
    let key = try testKey()
    #expect(await operations.join(key).status == 201)
    // The first epoch is not looked at, and the second one only noted.
    await oracle.perform(.distribution)
    await operations.reachContributions()
    await oracle.perform(.distribution)
    #expect(operations.outcomes(of: .distribution).isEmpty)
    #expect(try await operations.report(by: key).status == 201)
    await oracle.perform(.contributions)

    // What was minted until now counts for the epoch that has begun: nothing is there to share out.
    await operations.reachContributions()
    #expect(try await operations.report(by: key, tokens: 700, after: 1).status == 201)
    await oracle.perform(.contributions)
    await oracle.perform(.distribution)
    await oracle.perform(.distribution)
    let first = operations.outcomes(of: .distribution)
    #expect(first.map(\.call) == ["syncRewards()", "distributeRewards(uint256)"])
    #expect(first.first?.hasSucceeded == true && first.last?.epoch == 1)
    #expect(first.last?.reason?.contains("No rewards") == true)
    await oracle.perform(.claims)
    #expect(operations.outcomes(of: .claims).isEmpty)

    operations.network.chain.mine(1200)
    await oracle.perform(.distribution)
    let second = operations.outcomes(of: .distribution).dropFirst(2)
    #expect(second.map(\.hasSucceeded) == [true, true] && second.last?.epoch == 2)
    let epochs = await oracle.get("/api/epochs").body?.arrayValue ?? []
    #expect(epochs.map { $0["number"] } == [3, 2, 1])
    #expect(epochs.map { $0["distributed"] } == [false, true, false])
    #expect(epochs.map { $0["agentCount"] } == [0, 1, 1])
    #expect(epochs.last?["reward"] == "0")
    let reward = try #require(epochs[1]["reward"])
    // The whole reward is the only agent's: on the chain, and by the oracle's estimate.
    #expect(await oracle.get("/api/rewards/\(key.address)").body?["pendingReward"] == reward)
    let board = await oracle.get("/api/v1/leaderboard").body
    #expect(board?["totalDistributed"] == reward && board?["agents"]?[0]?["rank"] == 1)
    #expect(board?["agents"]?[0]?["epochCount"] == 2)
    let history = await oracle.get("/api/v1/rewards/history/\(key.address)").body
    #expect(history?["totalEstimated"] == reward && history?["epochs"]?[0]?["epoch"] == 2)
    #expect(history?["epochs"]?[1]?["estimatedReward"] == "0")
    let epoch = await oracle.get("/api/epochs/2").body
    #expect(epoch?["contributions"]?[0]?["wallet"] == .string(key.address.lowercaseHex))

    await oracle.perform(.claims)
    #expect(operations.outcomes(of: .claims).map(\.agent) == [key.address])
    #expect(
      .string(operations.network.chain.balance(of: key.address).description) == reward)
    await oracle.perform(.claims)
    #expect(operations.outcomes(of: .claims).count == 1)
    // Drift 30: no contract logs the event that the deployed oracle waits for.
    await oracle.perform(.monitoring)
    #expect(
      oracle.claimedReward(of: key.address)
        == (profile == .fixed ? operations.network.chain.balance(of: key.address) : .zero))
  }
}
