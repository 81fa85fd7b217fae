// snippet: Sources/PlumiseTesting/NetworkTime.swift
import PlumiseTesting
import Testing

@Test("A node reports every minute", .petalsNetwork(nodes: 1))
func everyMinute() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  try await node.register()
  try await node.reporter.start()
  try await network.time.advance(by: .seconds(3600))
  #expect(network.oracle.agent(node.address)?.reportCount == 60)
}
// end of snippet
