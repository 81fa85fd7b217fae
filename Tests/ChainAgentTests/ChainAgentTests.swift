import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Chain agent", .timeLimit(.minutes(5)))
struct ChainAgentTests {
  let network = TestChain()
  let registration = AgentRegistration(name: "agent", modelHash: Keccak256.hash("model"))

  private func agent(
    _ index: Int = 0, fees: FeePolicy = .feeMarket(), transport: TestTransport? = nil
  ) -> ChainAgent {
    ChainAgent(
      ChainAgentConfiguration(fees: fees), key: network.account(index).key,
      client: transport.map { EthereumClient(transport: $0) } ?? network.client)
  }

  private func registered(_ index: Int = 0) async throws -> ChainAgent {
    let agent = agent(index)
    _ = try await agent.register(registration)
    return agent
  }

  /// The nonces of an account's mined transactions, in order.
  private func nonces(of agent: ChainAgent) -> [UInt64] {
    network.chain.transactions.filter { $0.sender == agent.address }.map(\.transaction.nonce)
  }

  @Test(
    "Fees follow the policy",
    arguments: [
      (.legacy(), 0, 2_000_000_000), (.legacy(gasPrice: 3_000_000_000), 0, 3_000_000_000),
      (.feeMarket(), 2, 3_000_000_000),
      (.feeMarket(maxPriorityFeePerGas: 5, maxFeePerGas: 2_000_000_000), 2, 2_000_000_000),
    ] as [(FeePolicy, UInt8, Word)])
  func fees(policy: FeePolicy, type: UInt8, maximum: Word) async throws {
    _ = try await agent(fees: policy).register(registration)
    let fee = try #require(network.chain.transactions.first).transaction.fee
    #expect(fee.transactionType == type)
    #expect(fee.maxFeePerGas == maximum)
  }

  @Test("Each call goes to its precompile with the network's gas limit")
  func calls() async throws {
    let agent = try await registered()
    try await agent.heartbeat()
    let proof = InferenceProof(
      model: "m", input: "i", output: "o", agent: agent.address, tokenCount: 3)
    try await agent.verifyInference(proof)
    try await agent.verifyInference(proof, layout: .agentFirst)
    try await agent.claimReward()
    let sent = network.chain.transactions.map(\.transaction)
    #expect(sent.map(\.to) == [0x21, 0x22, 0x20, 0x20, 0x23].map { .precompile($0) })
    #expect(sent.map(\.gasLimit) == [300_000, 100_000, 200_000, 200_000, 300_000])
    #expect(sent.allSatisfy { $0.chainID == 41956 && $0.value == .zero })
    #expect(network.chain.agent(agent.address)?.totalTokensProcessed == 6)
  }

  @Test("Thirty calls at once use the nonces 0 to 29")
  func concurrency() async throws {
    let agent = agent()
    try await withThrowingTaskGroup { group in
      for _ in 0..<30 { group.addTask { try await agent.claimReward() } }
      try await group.waitForAll()
    }
    #expect(nonces(of: agent) == Array(0..<30))
  }

  @Test("A refused transaction leaves no gap")
  func refusedNonce() async throws {
    let agent = agent()
    network.chain.inject(
      ChainFaultRule(.refuse(.refused("busy")), method: "eth_sendRawTransaction"))
    await #expect(
      throws: ChainError.answered(.refused("busy"), method: "eth_sendRawTransaction")
    ) { try await agent.claimReward() }
    try await agent.claimReward()
    #expect(nonces(of: agent) == [0])
  }

  @Test("A transaction that the chain dropped leaves no gap")
  func droppedTransaction() async throws {
    network.chain.inject(.drop)
    let clock = ManualClock()
    let chain = network.chain
    let agent = ChainAgent(
      ChainAgentConfiguration(receiptTimeout: .seconds(3), pollInterval: .seconds(10)),
      key: network.account(0).key,
      client: EthereumClient(
        transport: InMemoryRPCTransport { await chain.respond(to: $0) }, clock: clock))
    let dropped = Task { try await agent.claimReward() }
    try await clock.waitForSleeper(until: .seconds(3))
    clock.advance(by: .seconds(3))
    await #expect(throws: ChainError.self) { try await dropped.value }
    try await agent.claimReward()
    #expect(nonces(of: agent) == [0])
  }

  @Test("A lost answer to a transaction does not make a second one")
  func lostAnswer() async throws {
    let transport = TestTransport(chain: network.chain)
    let agent = agent(transport: transport)
    transport.loseAnswer(to: "eth_sendRawTransaction")
    try await agent.claimReward()
    try await agent.claimReward()
    #expect(nonces(of: agent) == [0, 1])
  }

  @Test("A nonce that somebody else used with the same key is noticed, and passed over")
  func foreignNonce() async throws {
    let agent = agent()
    try await agent.claimReward()
    try await network.send(to: .zero, from: network.account(0))
    // The agent counted to 1; the chain is at 2, says so, and is believed.
    try await agent.claimReward()
    #expect(nonces(of: agent) == [0, 1, 2])
  }

  @Test("A registration whose answers were lost is found on the chain, not made again")
  func lostRegistration() async throws {
    network.chain.inject(.loseReceipt)
    let clock = ManualClock()
    let chain = network.chain
    let agent = ChainAgent(
      ChainAgentConfiguration(receiptTimeout: .seconds(3), pollInterval: .seconds(10)),
      key: network.account(0).key,
      client: EthereumClient(
        transport: InMemoryRPCTransport { await chain.respond(to: $0) }, clock: clock))
    async let outcome = agent.register(registration)
    try await clock.waitForSleeper(until: .seconds(3))
    clock.advance(by: .seconds(3))
    #expect(try await outcome == .alreadyRegistered)
    #expect(nonces(of: agent) == [0])
  }

  @Test("Calls to register at the same time make one transaction")
  func concurrentRegistration() async throws {
    let agent = agent()
    let registration = registration
    let outcomes = try await withThrowingTaskGroup { group in
      for _ in 0..<8 { group.addTask { try await agent.register(registration) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes.count == 8)
    #expect(nonces(of: agent) == [0])
  }

  @Test("A revert names its reason")
  func revertReason() async throws {
    let agent = agent()
    await #expect {
      try await agent.heartbeat()
    } throws: { error in
      guard let error = error as? ChainError, let receipt = error.receipt else { return false }
      return error.code == .reverted && !receipt.succeeded
        && error.reason == "agentHeartbeat: not registered"
    }
  }

  @Test("Another chain is recognised before anything is signed")
  func wrongChain() async throws {
    let agent = ChainAgent(
      ChainAgentConfiguration(chainID: 419_561), key: network.account(0).key,
      client: network.client)
    await #expect(throws: ChainError.wrongChain(expected: 419_561, actual: 41956)) {
      try await agent.register(registration)
    }
    #expect(network.chain.transactions.isEmpty)
  }

  @Test("A claim waits for its threshold")
  func claimThreshold() async throws {
    let agent = try await registered()
    #expect(try await agent.pendingReward() == .zero)
    #expect(try await agent.claimReward(above: 1) == nil)
    #expect(try await agent.claimReward(above: .zero)?.succeeded == true)
    #expect(try await agent.balance() == network.chain.balance(of: agent.address))
    #expect(try await agent.status().isRegistered)
  }

  @Test("A call that is cancelled while it waits lets the others pass")
  func cancellation() async throws {
    let clock = ManualClock()
    let chain = MockWeb3(clock: clock)
    chain.inject(ChainFaultRule(.delay(.seconds(1)), method: "eth_sendRawTransaction"))
    let agent = ChainAgent(
      key: chain.accounts[0].key,
      client: EthereumClient(transport: InMemoryRPCTransport { await chain.respond(to: $0) }))
    async let first = agent.claimReward()
    try await clock.waitForSleepers()
    let second = Task { try await agent.claimReward() }
    let third = Task { try await agent.claimReward() }
    second.cancel()
    await #expect(throws: CancellationError.self) { try await second.value }
    clock.advance(by: .seconds(1))
    #expect(try await first.succeeded)
    #expect(try await third.value.succeeded)
    #expect(chain.transactions.map(\.transaction.nonce) == [0, 1])
  }
}

@Suite("Heartbeats", .timeLimit(.minutes(5)))
struct HeartbeatServiceTests {
  let network = TestChain()

  @Test("Heartbeats are sent at once and then every 120 seconds, whatever fails, until a stop")
  func beats() async throws {
    let agent = ChainAgent(key: network.account(0).key, client: network.client)
    _ = try await agent.register(AgentRegistration(name: "a", modelHash: .zero))
    let clock = ManualClock()
    let service = HeartbeatService(agent, clock: clock)
    let running = Task { try await service.run() }
    try await clock.waitForSleeper(until: .seconds(120))
    network.chain.inject(.revert(reason: "no"))
    clock.advance(by: .seconds(120))
    try await clock.waitForSleeper(until: .seconds(240))
    clock.advance(by: .seconds(120))
    try await clock.waitForSleeper(until: .seconds(360))
    running.cancel()
    try await running.value
    let beats = network.chain.transactions.filter { $0.transaction.to == .precompile(0x22) }
    let receipts = beats.compactMap { network.chain.receipt(of: $0.hash)?.succeeded }
    #expect(receipts == [true, false, true])
    #expect(clock.deadlines.isEmpty)
  }
}

@Suite("An agent's service", .timeLimit(.minutes(5)))
struct AgentServiceTests {
  let network = TestChain()
  let registration = AgentRegistration(name: "a", modelHash: .zero)

  private func calls(of agent: ChainAgent) -> [Address?] {
    network.chain.transactions.filter { $0.sender == agent.address }.map(\.transaction.to)
  }

  @Test("It registers, however often that takes, then sends heartbeats and claims until a stop")
  func life() async throws {
    let clock = ManualClock()
    var configuration = ChainAgentConfiguration()
    configuration.retries = .none
    let transport = TestTransport(chain: network.chain)
    let agent = ChainAgent(
      configuration, key: network.account(0).key, client: EthereumClient(transport: transport))
    transport.fail(next: 1)
    let service = AgentService(
      agent, registration: registration,
      schedule: .init(claimInterval: .seconds(60), claimThreshold: 5), clock: clock)
    let running = Task { try await service.run() }
    try await clock.waitForSleeper(until: .seconds(5))
    #expect(network.chain.transactions.isEmpty)
    clock.advance(by: .seconds(5))
    // The first heartbeat is out once both loops sleep; nothing is pending, so nothing is claimed.
    try await clock.waitForSleeper(until: .seconds(125))
    clock.advance(by: .seconds(60))
    try await clock.waitForSleepers(2)
    #expect(calls(of: agent) == [.precompile(0x21), .precompile(0x22)])
    try await earnReward(for: agent)
    let beforeClaim = network.chain.transactions.count
    clock.advance(by: .seconds(60))
    try await clock.waitForSleeper(until: .seconds(185))
    try await clock.waitForSleeper(until: .seconds(245))
    #expect(network.chain.transactions.count == beforeClaim + 2)
    #expect(calls(of: agent).contains(.precompile(0x23)))
    #expect(network.chain.pendingReward(of: agent.address) == .zero)
    running.cancel()
    try await running.value
    #expect(clock.deadlines.isEmpty)
  }

  @Test("A chain that has forgotten the agent is told of it anew, and hears a heartbeat at once")
  func forgotten() async throws {
    let clock = ManualClock()
    let agent = ChainAgent(key: network.account(0).key, client: network.client)
    let service = AgentService(
      agent, registration: registration, schedule: .init(heartbeatInterval: .seconds(120)),
      clock: clock)
    let running = Task { try await service.run() }
    try await clock.waitForSleeper(until: .seconds(120))
    _ = try await network.client.request("hardhat_reset")
    #expect(!network.chain.isRegistered(agent.address))
    // The account's transactions are forgotten as well; its count goes on as elsewhere.
    _ = try await network.client.request(
      "hardhat_setNonce", [.string(agent.address.lowercaseHex), "0x2"])
    clock.advance(by: .seconds(120))
    try await clock.waitForSleeper(until: .seconds(240))
    #expect(
      calls(of: agent) == [.precompile(0x22), .precompile(0x21), .precompile(0x22)])
    #expect(network.chain.agent(agent.address)?.lastHeartbeat != 0)
    running.cancel()
    try await running.value
  }

  private func earnReward(for agent: ChainAgent) async throws {
    let pool = PlumiseNetwork.Contract.rewardPool
    let contribution = Contribution(taskCount: 1, uptimeSeconds: 1, responseScore: 1)
    let report = RewardPoolCall.reportContribution(agent: agent.address, contribution)
    try await network.send(report.input, to: pool, from: network.oracle, gas: 1_000_000)
    try await network.send(RewardPoolCall.syncRewards.input, to: pool, from: network.oracle)
    let epoch = network.chain.endEpoch()
    let distribution = RewardPoolCall.distributeRewards(epoch: Word(epoch))
    try await network.send(distribution.input, to: pool, from: network.oracle)
    #expect(network.chain.pendingReward(of: agent.address) > 5)
  }
}
