// What InjectingFaults.md shows of parts that end and of links.

import PlumiseTesting
import Testing

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/InjectingFaults.md
@Test("A node that was killed generates the same once it runs again", .network(nodes: 2))
func killedNode() async throws {
  let network = try PetalsNetwork.current
  let before = try await network.generate("Hello", maxNewTokens: 8)
  await network.nodes[1].kill()
  await #expect(throws: (any Error).self) { try await network.generate("Hello", maxNewTokens: 8) }
  try await network.nodes[1].restart()
  let after = try await network.generate("Hello", maxNewTokens: 8)
  #expect(after.generatedIDs == before.generatedIDs)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/InjectingFaults.md
@Test("A slow way to a node changes no token", .network(nodes: 2, links: .faulty))
func slowWay() async throws {
  let network = try PetalsNetwork.current
  let before = try await network.generate("Hello", maxNewTokens: 4)
  network.nodes[1].link?.add(
    LinkFaultRule(.delay(.milliseconds(5), jitter: .milliseconds(2)), .toClient, count: nil))
  let after = try await network.generate("Hello", maxNewTokens: 4)
  #expect(after.generatedIDs == before.generatedIDs)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/InjectingFaults.md
@Test("Who cannot reach the oracle reports later", .network(nodes: 2, links: .faulty))
func cutOff() async throws {
  let network = try PetalsNetwork.current
  for node in network.nodes { try await node.register() }
  let link = try network.link(from: .node(0), to: .oracle)
  await link.cut()
  #expect(await !network.nodes[0].reporter.reportNow().isAccepted)
  #expect(await network.nodes[1].reporter.reportNow().isAccepted)
  try await link.heal()
  #expect(await network.nodes[0].reporter.reportNow().isAccepted)
}
// end of snippet
