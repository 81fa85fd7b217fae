import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseTesting
import PlumiseWire
import Testing

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
      throws: EthereumClientError.refused(method: "eth_sendRawTransaction", failure)
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
