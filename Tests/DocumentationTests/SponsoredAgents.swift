// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/TheNetworkOfToday.md
// snippet: Sources/PlumiseTesting/PetalsNetworkTrait.swift
import PlumiseTesting
import Testing

@Test(
  "The oracle puts the agents on the chain",
  .network(nodes: .split(at: 8), oracle: .deployed, agents: .newest, chain: .testnet2026))
func sponsored() async throws {
  let network = try PetalsNetwork.current
  for node in network.nodes { #expect(network.chain.isRegistered(node.address)) }
}
// end of snippet
