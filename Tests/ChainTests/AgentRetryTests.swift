import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseTesting
import PlumiseWire
import Testing

@Suite("An agent's retries", .timeLimit(.minutes(5)))
struct AgentRetryTests {
  let network = TestChain()

  @Test("An outage is retried after pauses that double, as long as chance says")
  func pauses() async throws {
    let clock = ManualClock()
    let transport = TestTransport(chain: network.chain)
    let policy = RetryPolicy(attempts: 4, basePause: .seconds(8), longestPause: .seconds(20))
    let client = EthereumClient(
      transport: transport, clock: clock, retries: policy, random: { 0.5 })
    transport.fail(next: 3)
    async let number = client.blockNumber()
    for pause in [4, 8, 10] {
      try await clock.waitForSleeper(until: clock.now.offset + .seconds(pause))
      clock.advance(by: .seconds(pause))
    }
    #expect(try await number == 0)
    #expect(clock.now.offset == .seconds(22))
  }

  @Test("After the last attempt the outage is told; a refusal is never retried")
  func limits() async throws {
    let transport = TestTransport(chain: network.chain)
    let policy = RetryPolicy(attempts: 3, basePause: .zero, longestPause: .zero)
    let client = EthereumClient(transport: transport, retries: policy)
    transport.fail(next: 3)
    await #expect(throws: EthereumClientError.self) { try await client.blockNumber() }
    #expect(try await client.blockNumber() == 0)
    network.chain.inject(ChainFaultRule(.refuse(.refused("busy")), count: 1))
    await #expect(
      throws: EthereumClientError.refused(method: "eth_blockNumber", .refused("busy"))
    ) { try await client.blockNumber() }
  }

  @Test("Pauses stay within their bounds, whatever the number of failures")
  func bounds() {
    let policy = RetryPolicy.standard
    for failures in [1, 2, 5, 31, 64, 1000] {
      #expect(policy.pause(after: failures, random: 1) <= policy.longestPause)
      #expect(policy.pause(after: failures, random: 0) == .zero)
      #expect(policy.pause(after: failures, random: 7) <= policy.longestPause)
    }
  }

  @Test("An agent retries by itself, and a lost answer makes no second transaction")
  func agent() async throws {
    let transport = TestTransport(chain: network.chain)
    var configuration = ChainAgentConfiguration()
    configuration.retries = RetryPolicy(attempts: 2, basePause: .zero, longestPause: .zero)
    let agent = ChainAgent(
      configuration, key: network.account(0).key,
      client: EthereumClient(transport: transport))
    transport.loseAnswer(to: "eth_sendRawTransaction")
    try await agent.claimReward()
    transport.fail(next: 1)
    try await agent.claimReward()
    #expect(network.chain.transactions.map(\.transaction.nonce) == [0, 1])
  }

  @Test("Errors tell an outage, a refusal, a revert and a time-out apart")
  func kinds() async throws {
    func kind(_ work: () async throws -> Void) async -> ChainFailureKind? {
      do {
        try await work()
        return nil
      } catch {
        return ChainFailureKind(error)
      }
    }
    let transport = TestTransport(chain: network.chain)
    var configuration = ChainAgentConfiguration()
    configuration.retries = .none
    let agent = ChainAgent(
      configuration, key: network.account(0).key, client: EthereumClient(transport: transport))
    transport.fail(next: 9)
    #expect(await kind { try await agent.heartbeat() } == .outage)
    transport.fail(next: 0)
    network.chain.inject(ChainFaultRule(.refuse(.refused("no")), method: "eth_sendRawTransaction"))
    #expect(await kind { try await agent.heartbeat() } == .refusal)
    #expect(await kind { try await agent.heartbeat() } == .revert)
    network.chain.setMining(.manual)
    configuration.receiptTimeout = .zero
    let hasty = ChainAgent(configuration, key: network.account(1).key, client: network.client)
    #expect(await kind { try await hasty.claimReward() } == .timeOut)
    configuration.chainID = 1
    let lost = ChainAgent(configuration, key: network.account(1).key, client: network.client)
    #expect(await kind { try await lost.claimReward() } == .misconfiguration)
    #expect(ChainFailureKind(CancellationError()) == .cancellation)
    #expect(ChainFailureKind(TestChain.NotMined(hash: .zero)) == nil)
  }
}
