// snippet: Documentation/Swarm.md
import PlumiseSwarmTesting
import PlumiseTesting
import Testing

@Test(
  "A partition that heals is forgotten",
  .network(nodes: 2, transport: .swarm(in: .namespaces)))
func partition() async throws {
  let network = try PetalsNetwork.current
  try await network.swarm.partition(off: [network.nodes[1]])
  await #expect(throws: (any Error).self) {
    try await network.generate("Hello", maxNewTokens: 1)
  }
  try await network.swarm.heal()
}
// end of snippet
