// snippet: Sources/PlumiseSwarmTesting/NetworkTransport+Swarm.swift
import PlumiseSwarmTesting
import PlumiseTesting
import Testing

@Test("A swarm of two nodes generates what one generates", .network(nodes: 2, transport: .swarm))
func swarm() async throws {
  let network = try PetalsNetwork.current
  let text = try await network.generate("Hello", maxNewTokens: 8)
  #expect(try await text.generatedIDs == network.generateLocally("Hello", maxNewTokens: 8))
}
// end of snippet
