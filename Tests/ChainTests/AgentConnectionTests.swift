import ChainAgent
import EthereumClient
import MockWeb3
import Testing

@Suite("An agent's connection", .timeLimit(.minutes(5)))
struct AgentConnectionTests {
  @Test("Requests one after the other share a connection")
  func keepAlive() async throws {
    let chain = MockWeb3()
    // Every request meets a fault that changes nothing, and is noted with the connection it came
    // on.
    chain.connectionFaults.add(.alter { $0 }, times: nil)
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
