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

/// A way to a chain that can go away, and lead to another chain when it comes back.
private final class Way: RPCTransport {
  private let end: Mutex<MockWeb3?>

  init(to chain: MockWeb3?) { end = Mutex(chain) }

  func lead(to chain: MockWeb3?) { end.withLock { $0 = chain } }

  func send(_ body: [UInt8]) async throws -> [UInt8] {
    guard let answer = await end.withLock({ $0 })?.respond(to: body) else {
      throw ChainError.connectionRefused(url: "test")
    }
    return answer
  }
}

@Suite("An agent's service when its chain changes", .timeLimit(.minutes(5)))
struct AgentServiceRecoveryTests {
  let network = TestChain()
  let clock = ManualClock()
  let events = Journal<AgentEvent>()
  var chain: MockWeb3 { network.chain }
  var account: DevelopmentAccount { network.account(0) }

  private func service(
    to transport: (any RPCTransport)? = nil, proofs: AsyncStream<InferenceProof>? = nil
  ) -> AgentService {
    var configuration = ChainAgentConfiguration()
    configuration.retries = .none
    let agent = ChainAgent(
      configuration, key: account.key,
      client: transport.map { EthereumClient(transport: $0) } ?? network.client)
    let events = events
    return AgentService(
      agent, registration: AgentRegistration(name: "a", modelHash: .zero), proofs: proofs,
      clock: clock, onEvent: { events.record($0) })
  }

  /// Runs a service while a body runs.
  private func run(
    _ service: AgentService, _ body: () async throws -> Void
  ) async throws {
    let running = Task { try await service.run() }
    do {
      try await body()
    } catch {
      running.cancel()
      _ = await running.result
      throw error
    }
    running.cancel()
    try await running.value
    #expect(clock.deadlines.isEmpty)
  }

  /// Lets the service sleep as often as there are pauses, and sees that they are these, in seconds.
  private func expectPauses(
    _ pauses: [Int], at location: SourceLocation = #_sourceLocation
  ) async throws {
    for pause in pauses {
      #expect(
        try await clock.advanceToNextDeadline() == .seconds(pause), sourceLocation: location)
    }
    try await clock.waitForSleepers()
  }

  private var troubles: [AgentFailure] {
    events.entries.compactMap { if case .failed(let failure) = $0 { failure } else { nil } }
  }

  private func calls(on chain: MockWeb3) -> [Address?] {
    chain.transactions.filter { $0.sender == account.address }.map(\.transaction.to)
  }

  @Test("A chain that was reset counts from 0 again, and so does the agent, which registers anew")
  func reset() async throws {
    try await run(service()) {
      try await clock.waitForSleeper(until: .seconds(120))
      _ = try await network.client.request("hardhat_reset")
      try await expectPauses([120])
      #expect(calls(on: chain) == [0x22, 0x21, 0x22].map { .precompile($0) })
      #expect(chain.transactions.map(\.transaction.nonce) == [0, 1, 2])
      #expect(chain.agent(account.address)?.lastHeartbeat != 0)
      #expect(chain.waitingTransactionCount == 0)
      #expect(troubles.isEmpty)
      try await expectPauses([120])
      #expect(calls(on: chain).count == 4)
    }
  }

  @Test("A chain that comes back without its state is told of the agent at once")
  func restart() async throws {
    let way = Way(to: chain)
    let other = TestChain()
    try await run(service(to: way)) {
      try await clock.waitForSleeper(until: .seconds(120))
      way.lead(to: nil)
      try await expectPauses([120, 5, 10, 20, 30, 30])
      way.lead(to: other.chain)
      try await expectPauses([30])
      #expect(calls(on: other.chain) == [0x22, 0x21, 0x22].map { .precompile($0) })
      #expect(other.chain.agent(account.address)?.lastHeartbeat != 0)
      #expect(troubles.map(\.failures) == [1, 2, 3, 4, 5, 6])
      // From then on it is as ever.
      try await expectPauses([120, 120])
    }
  }

  @Test("A chain that is away at the start is looked for at least every 30 seconds")
  func awayAtStart() async throws {
    let way = Way(to: nil)
    try await run(service(to: way)) {
      try await expectPauses([5, 10, 20, 30, 30])
      #expect(troubles.allSatisfy { $0.work == .registration })
      way.lead(to: chain)
      try await expectPauses([30])
      #expect(calls(on: chain) == [0x21, 0x22].map { .precompile($0) })
    }
  }

  @Test("A registration that is reverted is made again after pauses that double up to a bound")
  func registrationReverted() async throws {
    chain.inject(ChainFaultRule(.revert(reason: "closed today"), count: nil))
    try await run(service()) {
      try await expectPauses([5, 10, 20, 40, 80, 120, 120])
      #expect(chain.transactions.count == 8)
      #expect(troubles.map(\.failures) == Array(1...8))
      let last = try #require(troubles.last)
      #expect(last.work == .registration && last.pause == .seconds(120))
      for words in ["the registration failed (8 times in a row)", "closed today", "120.0 seconds"] {
        #expect("\(last)".contains(words), "\(last)")
      }
      chain.clearFaults()
      try await expectPauses([120])
      #expect(chain.isRegistered(account.address))
      #expect(calls(on: chain).last == .precompile(0x22))
    }
  }

  @Test("A heartbeat that is reverted for good is sent no more often than others, and told why")
  func heartbeatReverted() async throws {
    try await run(service()) {
      try await clock.waitForSleeper(until: .seconds(120))
      chain.inject(ChainFaultRule(.revert(reason: "not today"), count: nil))
      try await expectPauses([120, 5, 10, 20, 40, 80, 120, 120])
      let receipts = calls(on: chain).filter { $0 == .precompile(0x22) }
      #expect(receipts.count == 9)
      #expect(troubles.map(\.failures) == Array(1...8))
      #expect(troubles.allSatisfy { "\($0)".contains("not today") && $0.work == .heartbeat })
      // It is registered: nothing is to be told anew.
      #expect(calls(on: chain).filter { $0 == .precompile(0x21) }.count == 1)
      chain.clearFaults()
      try await expectPauses([120, 120])
      // What was counted is forgotten with the first success.
      chain.inject(.revert(reason: "not now"))
      try await expectPauses([120, 5])
      #expect(troubles.last?.failures == 1)
    }
  }

  @Test("An account without coins is told to get some, and sends heartbeats when it has them")
  func balanceGone() async throws {
    try await run(service()) {
      try await clock.waitForSleeper(until: .seconds(120))
      chain.setBalance(of: account.address, to: .zero)
      try await expectPauses([120, 5])
      let trouble = try #require(troubles.last)
      #expect(trouble.needsCoins && trouble.failures == 2)
      #expect("\(trouble)".contains("send coins to \(account.address.checksummed)"))
      chain.fund(account.address)
      try await expectPauses([10, 120])
      #expect(calls(on: chain).filter { $0 == .precompile(0x22) }.count == 3)
    }
  }

  @Test("A proof that finds out that the agent was forgotten waits for it to be registered anew")
  func proofAfterReset() async throws {
    let (proofs, source) = AsyncStream.makeStream(of: InferenceProof.self)
    try await run(service(proofs: proofs)) {
      let proof = InferenceProof(
        model: "m", input: "i", output: "o", agent: account.address, tokenCount: 3)
      source.yield(proof)
      _ = try await events.next { if case .verified = $0 { true } else { false } }
      try await clock.waitForSleepers()
      _ = try await network.client.request("hardhat_reset")
      source.yield(proof)
      let verified = try await events.wait(forCount: 2) {
        if case .verified = $0 { true } else { false }
      }
      guard case .verified(proof, let receipt) = verified[1] else { return }
      #expect(receipt.succeeded)
      #expect(chain.agent(account.address)?.totalTokensProcessed == 3)
      #expect(calls(on: chain) == [0x20, 0x21, 0x20].map { .precompile($0) })
    }
  }

  @Test("A chain of another network at the same address is told apart, and nothing signed for it")
  func otherNetwork() async throws {
    let way = Way(to: chain)
    var rules = ChainConfiguration()
    rules.rules.chainID = 7
    let other = TestChain(rules)
    try await run(service(to: way)) {
      try await clock.waitForSleeper(until: .seconds(120))
      way.lead(to: nil)
      try await expectPauses([120])
      way.lead(to: other.chain)
      try await expectPauses([5, 10])
      #expect(other.chain.transactions.isEmpty)
      #expect("\(try #require(troubles.last))".contains("the chain's id is 7, not 41956"))
    }
  }
}

@Suite("Nonces on a chain that went back")
struct NonceTrackerTests {
  @Test("A chain that counts less than it had in blocks is believed, one that lags is not")
  func choice() {
    var nonces = NonceTracker()
    #expect(nonces.choose(chainCount: 3, minedBefore: nonces.minedCount) == 3)
    nonces.synchronise(with: 3)
    nonces.wasUsed(3, begun: nonces.generation)
    // The transaction is on its way, and this answer is from before it.
    #expect(nonces.choose(chainCount: 3, minedBefore: nonces.minedCount) == 4)
    nonces.wasMined(3)
    #expect(nonces.minedCount == 4)
    #expect(nonces.choose(chainCount: 4, minedBefore: nonces.minedCount) == 4)
    #expect(nonces.choose(chainCount: 9, minedBefore: nonces.minedCount) == 9)
    #expect(nonces.choose(chainCount: 0, minedBefore: nonces.minedCount) == 0)
    #expect(nonces.minedCount == 0)
  }

  @Test("The last nonce of all is no reason to stop")
  func last() {
    var nonces = NonceTracker()
    #expect(nonces.choose(chainCount: .max, minedBefore: 0) == .max)
    nonces.wasUsed(.max, begun: nonces.generation)
    nonces.wasMined(.max)
    #expect(nonces.known == nil)
    #expect(nonces.minedCount == 0)
  }
}
