// snippet: Sources/PlumiseTesting/PetalsNetworkTrait.swift
// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/InjectingFaults.md
import MockServing
import PlumiseTesting
import Testing

@Test(
  "A report whose answer is lost counts once", .petalsNetwork(nodes: 1),
  .oracleFaults(FaultRule(.drop(.beforeAnswer, .reset))))
func lostAnswer() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  try await node.register()
  #expect(await !node.reporter.reportNow().isAccepted)
  #expect(await node.reporter.reportNow().isAccepted)
  #expect(network.oracle.agent(node.address)?.processedTokens == 0)
}
// end of snippet
