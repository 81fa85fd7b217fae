// snippet: Sources/PlumiseTesting/PetalsNetworkTrait.swift
// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/GettingStarted.md
import PlumiseTesting
import Testing

@Test("Two nodes generate what one generates", .petalsNetwork(nodes: 2))
func twoNodes() async throws {
  let network = try PetalsNetwork.current
  let text = try await network.generate("Hello", maxNewTokens: 8)
  #expect(try await text.generatedIDs == network.generateLocally("Hello", maxNewTokens: 8))
}
// end of snippet
