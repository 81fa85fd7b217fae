import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("RewardPool", .timeLimit(.minutes(5)))
struct RewardPoolTests {
  let network = TestChain()
  let pool = PlumiseNetwork.Contract.rewardPool
  var agent: DevelopmentAccount { network.account(0) }

  private func report(
    tasks: Word = 5, uptime: Word = 3600, response: Word = 80, tokens: Word = 1000,
    latency: Word = 9000, for account: DevelopmentAccount? = nil
  ) -> [UInt8] {
    ABI.call(
      "reportContribution(address,uint256,uint256,uint256,uint256,uint256)",
      [
        .address((account ?? agent).address), .uint(tasks), .uint(uptime), .uint(response),
        .uint(tokens), .uint(latency),
      ])
  }

  private func reason(
    _ input: [UInt8], from account: DevelopmentAccount? = nil
  ) async throws -> String? {
    try await network.revertReason(input, to: pool, from: account ?? network.oracle)
  }

  @discardableResult
  private func send(
    _ input: [UInt8], from account: DevelopmentAccount? = nil
  ) async throws
    -> Receipt
  {
    try await network.send(input, to: pool, from: account ?? network.oracle, gas: 1_000_000)
  }

  private static let sync = ABI.call("syncRewards()")
  private static func distribute(_ epoch: UInt64) -> [UInt8] {
    ABI.call("distributeRewards(uint256)", [.uint(Word(epoch))])
  }

  @Test("The reasons come in the contract's order: the first limit that is exceeded names it")
  func reportLimits() async throws {
    #expect(try await reason(report(tasks: 10_001), from: agent) == "Only oracle")
    let big: Word = 1_000_000_000
    #expect(try await reason(report(tasks: 10_001, uptime: big)) == "Task count too high")
    #expect(try await reason(report(uptime: 604_801, response: big)) == "Uptime too high")
    #expect(
      try await reason(report(response: 1_000_001, tokens: big)) == "Response score too high")
    #expect(
      try await reason(report(tokens: 100_000_001, latency: big)) == "Processed tokens too high")
    #expect(try await reason(report(latency: 10_001)) == "Latency inv too high")
    #expect(try await reason(report()) == "Agent not registered")
    try await network.send(
      .registration(AgentRegistration(name: "a", modelHash: .zero)), from: agent)
    #expect(try await reason(report()) == "Agent not active")
    try await network.send(.heartbeat(agent: nil), from: agent)
    #expect(
      try await reason(
        report(
          tasks: 10_000, uptime: 604_800, response: 1_000_000, tokens: 100_000_000,
          latency: 10_000)) == nil)
  }

  @Test("Contributions add up, with three words or with five")
  func contributions() async throws {
    try await network.registerActive(agent)
    let receipt = try await send(report())
    let three = ABI.call(
      "reportContribution(address,uint256,uint256,uint256)",
      [.address(agent.address), .uint(1), .uint(2), .uint(3)])
    try await send(three)
    let timestamp = Word(network.chain.latestBlock.header.timestamp)
    let answer = try await network.client.call(
      to: pool, data: ABI.call("getContribution(address)", [.address(agent.address)]))
    let words = [6, 3602, 83, timestamp, 1000, 9000] as [Word]
    #expect(answer == words.flatMap(\.bigEndianBytes))
    let log = try #require(receipt.logs.first)
    #expect(
      log.topics == [
        ContractEvent.contributionReported.topic, Hash32(word: agent.address.word),
      ])
    #expect(log.data == ([5, 3600, 80, 1000, 9000, 0] as [Word]).flatMap(\.bigEndianBytes))
  }

  @Test("An epoch's reward is shared by score, the last one gets the remainder, and each claims it")
  func distribution() async throws {
    let agents = [network.account(0), network.account(1), network.account(2)]
    for agent in agents { try await network.registerActive(agent) }
    try await send(report(tokens: 100, for: agents[0]))
    try await send(report(tokens: 777, for: agents[1]))
    try await send(report(tasks: 0, uptime: 0, tokens: 0, latency: 0, for: agents[2]))
    try await send(Self.sync)
    let total = network.chain.balance(of: pool) - 10_000_000_000_000_000_000
    #expect(try await reason(Self.distribute(0)) == "Epoch not ended")
    network.chain.endEpoch()
    let receipt = try await send(Self.distribute(0))
    #expect(try await reason(Self.distribute(0)) == "Already distributed")
    #expect(
      receipt.logs.first?.data == ([total, 3] as [Word]).flatMap(\.bigEndianBytes))
    let base: Word = 5 * 25 + 3600 * 20 + 9000 * 15
    let (first, second) = (base + 100 * 40, base + 777 * 40)
    let share = total * first / (first + second)
    #expect(network.chain.pendingReward(of: agents[0].address) == share)
    #expect(network.chain.pendingReward(of: agents[1].address) == total - share)
    #expect(network.chain.pendingReward(of: agents[2].address) == .zero)
    try await claims(share, by: agents[0])
  }

  private func claims(_ amount: Word, by agent: DevelopmentAccount) async throws {
    let before = network.chain.balance(of: agent.address)
    let receipt = try await network.send(.claimReward(agent: nil), from: agent)
    let fee = Word(receipt.gasUsed) * receipt.effectiveGasPrice
    #expect(network.chain.balance(of: agent.address) == before + amount - fee)
    #expect(
      receipt.logs.map(\.topics) == [
        [ContractEvent.rewardReceived.topic],
        [ContractEvent.rewardClaimed.topic, Hash32(word: agent.address.word)],
      ])
    #expect(receipt.logs.first?.address == pool)
    #expect(network.chain.agent(agent.address)?.totalRewards == amount)
    #expect(network.chain.pendingReward(of: agent.address) == .zero)
  }

  @Test("Claims at the contract are refused in its words")
  func claims() async throws {
    let claim = ABI.call("claimReward()")
    #expect(try await reason(claim, from: agent) == "Not registered")
    try await network.registerActive(agent)
    #expect(try await reason(claim, from: agent) == "No rewards")
    let claimFor = ABI.call("claimRewardFor(address)", [.address(agent.address)])
    #expect(try await reason(claimFor, from: agent) == "Only precompile 0x23")
  }

  @Test("An epoch without rewards cannot be distributed, one without scores keeps its reward")
  func emptyEpochs() async throws {
    network.chain.endEpoch()
    #expect(try await reason(Self.distribute(0)) == "No rewards")
    try await send(Self.sync)
    network.chain.endEpoch()
    let receipt = try await send(Self.distribute(1))
    #expect(receipt.logs.first?.data == ([0, 0] as [Word]).flatMap(\.bigEndianBytes))
  }

  @Test("The owner, and nobody else, sets oracle, weights and the bypass of the registry")
  func settings() async throws {
    let owner = network.oracle
    let setOracle = ABI.call("setOracle(address)", [.address(agent.address)])
    let refused = await #expect(throws: ChainError.self) {
      try await network.client.call(to: pool, data: setOracle, from: agent.address)
    }
    // NETWORK.md, section 7: OwnableUnauthorizedAccount(address).
    #expect(refused?.description.contains("0x118cdaa7") == true)
    let receipt = try await send(setOracle)
    #expect(
      receipt.logs.first?.topics == [
        ABI.eventTopic("OracleUpdated(address,address)"), Hash32(word: owner.address.word),
        Hash32(word: agent.address.word),
      ])
    #expect(try await reason(report()) == "Only oracle")
    #expect(try await reason(report(), from: agent) == "Agent not registered")
    try await send(ABI.call("setEmergencyBypassRegistry(bool)", [.bool(true)]))
    #expect(try await reason(report(), from: agent) == nil)
    let formula = "setRewardFormula(uint256,uint256,uint256,uint256)"
    let wrong = ABI.call(formula, [.uint(1), .uint(2), .uint(3), .uint(4)])
    #expect(try await reason(wrong) == "Weights must sum to 100")
    let other = network.account(1)
    try await send(ABI.call(formula, [.uint(0), .uint(100), .uint(0), .uint(0)]))
    try await send(report(tasks: 1), from: agent)
    try await send(report(tasks: 3, for: other), from: agent)
    try await send(Self.sync)
    let total = network.chain.balance(of: pool) - 10_000_000_000_000_000_000
    network.chain.endEpoch()
    try await send(Self.distribute(0))
    #expect(network.chain.pendingReward(of: agent.address) == total / 4)
    #expect(network.chain.pendingReward(of: other.address) == total - total / 4)
  }

  @Test("Each block pays 10 PLM, and coins that are sent are reward at once")
  func income() async throws {
    network.chain.mine(3)
    let block: Word = 10_000_000_000_000_000_000
    #expect(network.chain.balance(of: pool) == 3 * block)
    let receipt = try await network.send(to: pool, from: agent, value: 5)
    #expect(receipt.logs.first?.topics == [ContractEvent.rewardReceived.topic])
    #expect(network.chain.balance(of: pool) == 4 * block + 5)
    let rewards = try await network.client.call(
      to: pool, data: ABI.call("epochRewards(uint256)", [.uint(.zero)]))
    // As in the contract, its balance now counts as known: the three blocks before are not in it.
    #expect(rewards == ABI.word(5 as Word))
  }

  @Test("A sponsored claim pays the agent, not the sponsor")
  func sponsoredClaim() async throws {
    try await network.registerActive(agent)
    try await send(report())
    try await send(Self.sync)
    network.chain.endEpoch()
    try await send(Self.distribute(0))
    let owed = network.chain.pendingReward(of: agent.address)
    let before = network.chain.balance(of: agent.address)
    try await network.send(.claimReward(agent: agent.address), from: network.account(1))
    #expect(network.chain.balance(of: agent.address) == before + owed)
  }

  @Test("At most 200 agents contribute to an epoch")
  func maximumAgents() async throws {
    for index in 0...200 {
      let account = network.chain.makeAccount()
      try await network.registerActive(account)
      let input = report(for: account)
      if index < 200 {
        #expect(try await send(input).succeeded)
      } else {
        #expect(
          try await network.revertReason(input, to: pool, from: network.oracle)
            == "Max agents reached")
      }
    }
  }
}
