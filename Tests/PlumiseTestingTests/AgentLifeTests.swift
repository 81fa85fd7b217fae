import ChainAgent
import EthereumClient
import MockServing
import PlumiseTesting
import Testing

/// A node's agent, by the fixture: the service that `petals-e2e node` runs.
@Suite("An agent's life in a network", .timeLimit(.minutes(5)))
struct AgentLifeTests {
  private func isRegistration(_ event: AgentEvent) -> Bool {
    if case .registered(.registered) = event { true } else { false }
  }

  @Test("A node whose chain was reset under it registers again", .petalsNetwork(nodes: 1))
  func reset() async throws {
    let network = try PetalsNetwork.current
    let member = network.nodes[0]
    let events = Journal<AgentEvent>()
    let service = member.service { events.record($0) }
    let running = Task { try await service.run() }
    try await network.clock.waitForSleeper(until: .seconds(120))
    #expect(network.chain.isRegistered(member.address))
    let chain = EthereumClient(url: network.chainAddress.url)
    _ = try await chain.request("hardhat_reset")
    #expect(!network.chain.isRegistered(member.address))
    // A reset takes the coins that the network gave as well.
    network.chain.fund(member.address)
    network.clock.advance(by: .seconds(120))
    _ = try await events.wait(forCount: 2) { isRegistration($0) }
    try await network.clock.waitForSleeper(until: .seconds(240))
    #expect(network.chain.isRegistered(member.address))
    #expect(network.chain.agent(member.address)?.lastHeartbeat != 0)
    running.cancel()
    try await running.value
  }

  @Test(
    "What the node generates is proved, also on a chain that has forgotten its agent",
    .petalsNetwork(nodes: 1))
  func proofs() async throws {
    let network = try PetalsNetwork.current
    let member = network.nodes[0]
    let events = Journal<AgentEvent>()
    let service = member.service { events.record($0) }
    let running = Task { try await service.run() }
    try await network.clock.waitForSleeper(until: .seconds(120))
    let chain = EthereumClient(url: network.chainAddress.url)
    _ = try await chain.request("hardhat_reset")
    network.chain.fund(member.address)
    _ = try await network.generate([1, 2, 3], newTokens: 4)
    _ = try await events.next { if case .verified = $0 { true } else { false } }
    #expect(network.chain.agent(member.address)?.totalTokensProcessed == 4)
    running.cancel()
    try await running.value
  }
}
