// What README.md shows, compiled and run as it stands there (Scripts/check-snippets.py).

// snippet: README.md
import PlumiseTesting
import Testing

@Test("Two nodes report the tokens that they made", .petalsNetwork(nodes: 2))
func reports() async throws {
  let network = try PetalsNetwork.current  // chain, oracle, nodes: all fresh, all real
  for node in network.nodes { try await node.register() }

  let result = try await network.generate("Explain quantum computing", maxNewTokens: 20)
  for node in network.nodes { await node.reporter.reportNow() }

  for node in network.nodes {
    let record = try network.oracle.record(of: node.address)
    #expect(record.processedTokens == Int64(result.generatedIDs.count))
  }
}
// end of snippet
