import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseTesting
import PlumiseWire
import Testing

@Suite("An agent's service", .timeLimit(.minutes(5)))
struct AgentServiceTests {
  let network = TestChain()
  let registration = AgentRegistration(name: "a", modelHash: .zero)

  private func calls(of agent: ChainAgent) -> [Address?] {
    network.chain.transactions.filter { $0.sender == agent.address }.map(\.transaction.to)
  }

  @Test("It registers, however often that takes, then beats and claims until it is stopped")
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
    try await network.send(report.input, to: pool, from: network.oracle)
    try await network.send(RewardPoolCall.syncRewards.input, to: pool, from: network.oracle)
    let epoch = network.chain.endEpoch()
    let distribution = RewardPoolCall.distributeRewards(epoch: Word(epoch))
    try await network.send(distribution.input, to: pool, from: network.oracle)
    #expect(network.chain.pendingReward(of: agent.address) > 5)
  }
}
