// snippet: Sources/PlumiseTesting/PetalsNetworkTrait.swift
import MockWeb3
import PlumiseTesting
import Testing

@Test(
  "A registration that is reverted throws, and the next one is made", .petalsNetwork(nodes: 1),
  .chainFaults(ChainFaultRule(.revert(reason: "no"))))
func revertedRegistration() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  await #expect(throws: (any Error).self) { try await node.register() }
  try await node.register()
  #expect(network.chain.isRegistered(node.address))
}
// end of snippet
