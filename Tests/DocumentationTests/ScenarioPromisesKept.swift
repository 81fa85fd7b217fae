// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/SeededScenarios.md
import PlumiseTesting
import Testing

@Test("The network keeps its promises, whatever goes wrong")
func promises() async throws {
  try await ScenarioPlan(nodes: 3, steps: 40).verify(seeds: 1...20)
}
// end of snippet
