import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import Synchronization
import TestSupport
import Testing

/// An agent whose looks and pauses a test's clock decides about.
private struct PatientAgent {
  let network: TestChain
  let clock = ManualClock()

  init(_ network: TestChain) { self.network = network }

  /// Looks every 10 s, takes a transaction for stuck after 20 s, and gives up after 300 s.
  func agent(_ change: (inout ChainAgentConfiguration) -> Void = { _ in }) -> ChainAgent {
    var configuration = ChainAgentConfiguration(
      receiptTimeout: .seconds(300), pollInterval: .seconds(10), stuckAfter: .seconds(20))
    change(&configuration)
    let chain = network.chain
    return ChainAgent(
      configuration, key: network.account(0).key,
      client: EthereumClient(
        transport: InMemoryRPCTransport { await chain.respond(to: $0) }, clock: clock))
  }

  /// Lets the agent look once more: it sleeps until the next look, and then until the one after.
  func look() async throws {
    let next = clock.now.offset + .seconds(10)
    try await clock.waitForSleeper(until: next)
    clock.advance(by: .seconds(10))
  }

  /// Waits until the agent sleeps again after a look.
  func rest() async throws {
    try await clock.waitForSleeper(until: clock.now.offset + .seconds(10))
  }
}

@Suite("An agent whose transaction sticks", .timeLimit(.minutes(5)))
struct AgentRecoveryTests {
  let network = TestChain()
  var chain: MockWeb3 { network.chain }

  @Test("What the chain has lost is sent again, the same bytes")
  func rebroadcast() async throws {
    let patient = PatientAgent(network)
    chain.inject(.drop)
    let agent = patient.agent()
    async let claim = agent.claimReward()
    try await patient.look()
    try await patient.look()
    try await patient.look()
    #expect(try await claim.succeeded)
    #expect(chain.transactions.map(\.transaction.nonce) == [0])
    let sent = chain.journal.entries.filter { $0.method == "eth_sendRawTransaction" }
    #expect(sent.count == 2)
    #expect(Set(sent.map(\.parameters)).count == 1)
  }

  @Test("What waits is replaced by the same call with higher fees, and its receipt is the answer")
  func feeBump() async throws {
    let patient = PatientAgent(network)
    chain.setMining(.manual)
    let agent = patient.agent()
    async let claim = agent.claimReward()
    for _ in 0..<4 { try await patient.look() }
    try await patient.rest()
    let waiting = try await network.client.request("txpool_content")["pending"]
    #expect(chain.waitingTransactionCount == 1)
    let limits = chain.journal.entries.filter { $0.method == "eth_sendRawTransaction" }.count
    #expect(limits == 3)
    chain.mine()
    patient.clock.advance(by: .seconds(10))
    let receipt = try await claim
    let mined = try #require(chain.transaction(receipt.transactionHash)).transaction
    // Twice raised by 13 percent, each time rounded up, from 2 gwei of base fee and 1 of tip.
    #expect(mined.fee.maxFeePerGas == 3_830_700_000)
    #expect(mined.fee.maxPriorityFeePerGas == 1_276_900_000)
    #expect(mined.nonce == 0 && waiting != nil)
    #expect(try await agent.claimReward(above: 1) == nil)
  }

  @Test("Fees are not raised above their ceiling")
  func ceiling() async throws {
    let patient = PatientAgent(network)
    chain.setMining(.manual)
    let agent = patient.agent { $0.feeCeiling = 3_000_000_001 }
    async let claim = agent.claimReward()
    for _ in 0..<5 { try await patient.look() }
    try await patient.rest()
    let sent = chain.journal.entries.filter { $0.method == "eth_sendRawTransaction" }
    #expect(sent.count == 1)
    chain.mine()
    patient.clock.advance(by: .seconds(10))
    #expect(try await claim.effectiveGasPrice <= 3_000_000_001)
  }

  @Test("An earlier version that is mined after all is found")
  func earlierVersion() async throws {
    let patient = PatientAgent(network)
    chain.setMining(.manual)
    let agent = patient.agent()
    async let claim = agent.claimReward()
    try await patient.rest()
    let first = try await chain.journal.next { $0.method == "eth_sendRawTransaction" }
    // The replacement is acknowledged and lost; the first version waits on.
    chain.inject(.drop)
    for _ in 0..<3 { try await patient.look() }
    try await patient.rest()
    let sent = chain.journal.entries.filter { $0.method == "eth_sendRawTransaction" }
    #expect(sent.count == 2)
    #expect(chain.waitingTransactionCount == 1)
    chain.mine()
    patient.clock.advance(by: .seconds(10))
    #expect(try await claim.transactionHash.hex == first.outcome.get().stringValue)
  }

  @Test("A look for the receipt that is refused does not end the wait")
  func refusedLook() async throws {
    let patient = PatientAgent(network)
    let agent = patient.agent()
    let failure = RPCFailure(code: -32005, message: "limit exceeded")
    chain.inject(
      ChainFaultRule(.refuse(failure), method: "eth_getTransactionReceipt", count: 2))
    async let claim = agent.claimReward()
    try await patient.look()
    try await patient.look()
    #expect(try await claim.succeeded)
    let looks = chain.journal.entries.filter { $0.method == "eth_getTransactionReceipt" }
    #expect(looks.count == 3)
  }

  @Test("A transaction whose answer does not come in time is found where it arrived")
  func lateAnswer() async throws {
    let clock = ManualClock()
    let transport = TestTransport(chain: chain)
    let client = EthereumClient(
      transport: transport, clock: clock, requestTimeout: .seconds(30))
    let agent = ChainAgent(key: network.account(0).key, client: client)
    transport.holdAnswer(to: "eth_sendRawTransaction")
    async let claim = agent.claimReward()
    _ = try await chain.journal.next { $0.method == "eth_sendRawTransaction" }
    try await clock.waitForSleeper(until: .seconds(30))
    clock.advance(by: .seconds(30))
    #expect(try await claim.succeeded)
    #expect(chain.transactions.count == 1)
    // The count of nonces went on.
    try await agent.claimReward()
    #expect(chain.transactions.map(\.transaction.nonce) == [0, 1])
  }

  @Test("A receipt counts once enough blocks follow; an earlier reorganisation is waited out")
  func confirmations() async throws {
    let patient = PatientAgent(network)
    let agent = patient.agent { $0.confirmations = 2 }
    async let claim = agent.claimReward()
    try await patient.rest()
    #expect(chain.blockNumber == 1)
    #expect(chain.reorganise(depth: 1))
    patient.clock.advance(by: .seconds(10))
    try await patient.rest()
    chain.mine()
    patient.clock.advance(by: .seconds(10))
    try await patient.rest()
    chain.mine(2)
    patient.clock.advance(by: .seconds(10))
    let receipt = try await claim
    #expect(receipt.blockNumber == 2)
    #expect(chain.block(2)?.hash == receipt.blockHash)
  }

  @Test("A reorganisation between the two requests of a look makes no old receipt final")
  func reorganisedLook() async throws {
    let chain = chain
    let looks = Mutex(0)
    let time = NetworkTime(startingAt: .zero)
    let transport = InMemoryRPCTransport { body in
      let answer = await chain.respond(to: body)
      guard String(decoding: body, as: UTF8.self).contains("eth_getTransactionReceipt"),
        looks.withLock({ looks in
          looks += 1
          return looks == 2
        })
      else { return answer }
      // The block of the receipt that was just given is replaced, and the chain grows beyond it.
      #expect(chain.reorganise(depth: 1))
      chain.mine(3)
      return answer
    }
    var configuration = ChainAgentConfiguration()
    configuration.confirmations = 2
    let agent = ChainAgent(
      configuration, key: network.account(0).key,
      client: EthereumClient(transport: transport, clock: time.clock))
    let receipt = try await time.run { try await agent.claimReward() }
    #expect(receipt.blockNumber == 2)
    #expect(chain.block(receipt.blockNumber)?.hash == receipt.blockHash)
  }

  @Test("An agent that starts anew goes on behind what its predecessor left waiting")
  func restart() async throws {
    let patient = PatientAgent(network)
    chain.setMining(.manual)
    let first = patient.agent()
    let abandoned = Task { try await first.claimReward() }
    try await patient.rest()
    abandoned.cancel()
    await #expect(throws: CancellationError.self) { try await abandoned.value }
    let second = patient.agent()
    async let claim = second.claimReward()
    try await patient.rest()
    chain.mine()
    patient.clock.advance(by: .seconds(10))
    #expect(try await claim.succeeded)
    #expect(chain.transactions.map(\.transaction.nonce) == [0, 1])
  }

  @Test("A caller that gives up leaves the registration to those who still wait for it")
  func sharedRegistration() async throws {
    let patient = PatientAgent(network)
    chain.setMining(.manual)
    let agent = patient.agent()
    let registration = AgentRegistration(name: "a", modelHash: .zero)
    let first = Task { try await agent.register(registration) }
    try await patient.rest()
    let second = Task { try await agent.register(registration) }
    let third = Task { try await agent.register(registration) }
    await agent.waitForRegistrationCallers(3)
    first.cancel()
    await #expect(throws: CancellationError.self) { try await first.value }
    chain.mine()
    patient.clock.advance(by: .seconds(10))
    let outcomes = [try await second.value, try await third.value]
    #expect(outcomes.count == 2)
    #expect(chain.transactions.count == 1)
    #expect(try await agent.register(registration) == .alreadyRegistered)
  }
}
