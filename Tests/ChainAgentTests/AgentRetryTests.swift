import AsyncPrimitives
import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("An agent's retries", .timeLimit(.minutes(5)))
struct AgentRetryTests {
  let network = TestChain()

  @Test("An outage is retried after pauses that double, as long as chance says")
  func pauses() async throws {
    let clock = ManualClock()
    let transport = TestTransport(chain: network.chain)
    let policy = RPCRetryPolicy(
      attempts: 4, backoff: Backoff(initial: .seconds(8), maximum: .seconds(20), jitter: 1))
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
    let policy = RPCRetryPolicy(attempts: 3, backoff: .none)
    let client = EthereumClient(transport: transport, retries: policy)
    transport.fail(next: 3)
    await #expect(throws: ChainError.self) { try await client.blockNumber() }
    #expect(try await client.blockNumber() == 0)
    network.chain.inject(ChainFaultRule(.refuse(.refused("busy")), count: 1))
    await #expect(
      throws: ChainError.answered(.refused("busy"), method: "eth_blockNumber")
    ) { try await client.blockNumber() }
  }

  @Test("Pauses stay within their bounds, whatever the number of failures")
  func bounds() {
    let backoff = RPCRetryPolicy.standard.backoff
    for failures in [1, 2, 5, 31, 64, 1000] {
      #expect(backoff.delay(after: failures, random: 0) <= backoff.maximum)
      #expect(backoff.delay(after: failures, random: 1) == .zero)
      #expect(backoff.delay(after: failures, random: 7) <= backoff.maximum)
    }
  }

  @Test("An agent retries by itself, and a lost answer makes no second transaction")
  func agent() async throws {
    let transport = TestTransport(chain: network.chain)
    var configuration = ChainAgentConfiguration()
    configuration.retries = RPCRetryPolicy(attempts: 2, backoff: .none)
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
    func code(_ work: () async throws -> Void) async throws -> ChainError.Code? {
      do {
        try await work()
        return nil
      } catch let error as ChainError {
        return error.code
      }
    }
    let transport = TestTransport(chain: network.chain)
    var configuration = ChainAgentConfiguration()
    configuration.retries = .none
    let agent = ChainAgent(
      configuration, key: network.account(0).key, client: EthereumClient(transport: transport))
    transport.fail(next: 9)
    let outage = try await code { try await agent.heartbeat() }
    #expect(outage == .connectionLost && outage?.isOutage == true)
    transport.fail(next: 0)
    network.chain.inject(ChainFaultRule(.refuse(.refused("no")), method: "eth_sendRawTransaction"))
    #expect(try await code { try await agent.heartbeat() } == .refused)
    #expect(try await code { try await agent.heartbeat() } == .reverted)
    network.chain.setMining(.manual)
    configuration.receiptTimeout = .zero
    let hasty = ChainAgent(configuration, key: network.account(1).key, client: network.client)
    #expect(try await code { try await hasty.claimReward() } == .timedOut)
    configuration.chainID = 1
    let lost = ChainAgent(configuration, key: network.account(1).key, client: network.client)
    #expect(try await code { try await lost.claimReward() } == .wrongChain)
    let codes: [ChainError.Code] = [.refused, .reverted, .timedOut, .malformedAnswer, .wrongChain]
    #expect(codes.allSatisfy { !$0.isOutage })
    // A caller that is cancelled gets its cancellation, and no error of the chain.
    let clock = ManualClock()
    let chain = network.chain
    let waiting = ChainAgent(
      key: network.account(2).key,
      client: EthereumClient(
        transport: InMemoryRPCTransport { await chain.respond(to: $0) }, clock: clock))
    let claim = Task { try await waiting.claimReward() }
    try await clock.waitForSleeper(until: .milliseconds(500))
    claim.cancel()
    await #expect(throws: CancellationError.self) { try await claim.value }
  }
}

@Suite("An agent's nonces", .timeLimit(.minutes(5)))
struct AgentNonceTests {
  let network = TestChain()
  var chain: MockWeb3 { network.chain }

  private func agent() -> ChainAgent {
    ChainAgent(key: network.account(0).key, client: network.client)
  }

  private var nonces: [UInt64] { chain.transactions.map(\.transaction.nonce) }

  @Test("A nonce that somebody else used with the same key is asked for again, once")
  func takenNonce() async throws {
    let (first, second) = (agent(), agent())
    try await first.claimReward()
    try await second.claimReward()
    try await first.claimReward()
    #expect(nonces == [0, 1, 2])
  }

  @Test("A nonce that another transaction waits with is asked for again, once")
  func waitingNonce() async throws {
    let (first, second) = (agent(), agent())
    try await first.claimReward()
    chain.setMining(.manual)
    async let other = second.send(to: .zero, value: 1, gasLimit: 21_000)
    _ = try await chain.journal.next {
      $0.method == "eth_sendRawTransaction" && chain.waitingTransactionCount == 1
    }
    async let claim = first.claimReward()
    _ = try await chain.journal.next { _ in chain.waitingTransactionCount == 2 }
    chain.mine()
    #expect(try await claim.succeeded)
    #expect(try await other.succeeded)
    #expect(nonces == [0, 1, 2])
  }

  @Test("A refusal of an asked nonce is told at once")
  func refused() async throws {
    let failure = RPCFailure.refused("nonce too low: next nonce 9, tx nonce 0")
    chain.inject(ChainFaultRule(.refuse(failure), method: "eth_sendRawTransaction", count: nil))
    let agent = agent()
    await #expect(
      throws: ChainError.answered(failure, method: "eth_sendRawTransaction")
    ) { try await agent.claimReward() }
    let sent = chain.journal.entries.filter { $0.method == "eth_sendRawTransaction" }
    #expect(sent.count == 1)
  }

  @Test("A count that was given up while a transaction was on its way stays given up")
  func lostForget() {
    var nonces = NonceTracker()
    nonces.synchronise(with: 4)
    #expect(nonces.known == 4)
    nonces.wasUsed(4, begun: nonces.generation)
    #expect(nonces.known == 5)
    let begun = nonces.generation
    nonces.forget()
    nonces.wasUsed(5, begun: begun)
    #expect(nonces.known == nil)
    nonces.synchronise(with: 5)
    nonces.wasUsed(5, begun: nonces.generation)
    #expect(nonces.known == 6)
  }
}

@Suite("An agent's connection", .timeLimit(.minutes(5)))
struct AgentConnectionTests {
  @Test("Requests one after the other share a connection")
  func keepAlive() async throws {
    let chain = MockWeb3()
    // Every request meets a fault that changes nothing, and is noted with the connection it came
    // on.
    chain.connectionFaults.add(.alter { $0 }, count: nil)
    try await chain.withServer { address in
      let agent = ChainAgent(
        key: chain.accounts[0].key, client: EthereumClient(url: address.url))
      for _ in 0..<3 { try await agent.claimReward() }
    }
    let connections = chain.connectionFaults.met.entries.compactMap(\.remote)
    #expect(connections.count >= 10)
    #expect(Set(connections).count == 1)
  }
}
