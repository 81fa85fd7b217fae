// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/TheNetworkOfToday.md
import PlumiseTesting
import Testing

@Test(
  "An agent that only reports is paid",
  .network(
    nodes: 1, oracle: .deployed, agents: .newest,
    configure: { $0.chain.mining = .every(.seconds(3)) }))
func paid() async throws {
  let network = try PetalsNetwork.current
  try await network.time.advance(by: .seconds(6 * 3600))
  #expect(network.chain.balance(of: network.nodes[0].address) > .zero)
}
// end of snippet
