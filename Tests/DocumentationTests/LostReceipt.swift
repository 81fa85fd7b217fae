// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/LettingTimePass.md
import PlumiseTesting
import Testing

@Test(
  "A registration whose receipt is lost is found on the chain", .petalsNetwork(nodes: 1),
  .chainFaults(ChainFaultRule(.loseReceipt)))
func lostReceipt() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  try await network.time.run { try await node.register() }
  #expect(network.chain.isRegistered(node.address))
}
// end of snippet
