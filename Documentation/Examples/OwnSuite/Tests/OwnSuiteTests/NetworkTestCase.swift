import PlumiseTesting
import XCTest

/// The same network in XCTest, where a test has no traits: each method runs within a fixture.
final class NetworkTestCase: XCTestCase {
  func testTwoNodesReportTheTokensThatTheyMade() async throws {
    try await withPetalsNetwork(NetworkPlan(nodes: 2)) { network in
      for node in network.nodes { try await node.register() }

      let result = try await network.generate("Explain quantum computing", maxNewTokens: 20)
      for node in network.nodes { await node.reporter.reportNow() }

      for node in network.nodes {
        let record = try network.oracle.record(of: node.address)
        XCTAssertEqual(record.processedTokens, Int64(result.generatedIDs.count))
      }
    }
  }

  func testARegistrationThatIsRevertedIsMadeAgain() async throws {
    try await withPetalsNetwork(NetworkPlan(nodes: 1)) { network in
      let node = network.nodes[0]
      network.chain.inject(ChainFaultRule(.revert(reason: "no")))
      do {
        _ = try await node.register()
        XCTFail("a registration that the chain reverts has to throw")
      } catch {
        XCTAssertFalse(network.chain.isRegistered(node.address))
      }
      try await node.register()
      XCTAssertTrue(network.chain.isRegistered(node.address))
    }
  }
}
