// snippet: Sources/PlumiseTesting/NoLeaksTrait.swift
import PlumiseTesting
import Testing

@Test("A network that generates leaves nothing behind", .noLeaks, .network(nodes: 2))
func nothingLeft() async throws {
  let network = try PetalsNetwork.current
  _ = try await network.generate("Hello", maxNewTokens: 4)
}
// end of snippet
