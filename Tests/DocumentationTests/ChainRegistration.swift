// snippet: Documentation/Chain.md
import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseWire
import Testing

@Test("An agent registers in process and over HTTP")
func registration() async throws {
  let chain = MockWeb3()
  let registration = AgentRegistration(name: "a", modelHash: Keccak256.hash("bloom-560m"))

  // In process, without a socket.
  let transport = InMemoryRPCTransport { await chain.respond(to: $0) }
  let near = ChainAgent(key: chain.accounts[0].key, client: EthereumClient(transport: transport))
  _ = try await near.register(registration)

  // Over HTTP, on a free port.
  try await chain.withServer { address in
    let far = ChainAgent(key: chain.accounts[1].key, client: EthereumClient(url: address.url))
    _ = try await far.register(registration)
  }
  #expect(chain.agent(near.address) != nil && chain.transactions.count == 2)
}
// end of snippet
