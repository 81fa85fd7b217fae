// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/UsingXCTest.md
import PlumiseTesting
import XCTest

final class ReportTestCase: XCTestCase {
  func testAReportCountsTheTokens() async throws {
    try await withNetwork(nodes: 2) { network in
      for node in network.nodes { try await node.register() }
      let result = try await network.generate("Hello", maxNewTokens: 8)
      for node in network.nodes {
        await node.reporter.reportNow()
        let record = try network.oracle.record(of: node.address)
        XCTAssertEqual(record.processedTokens, Int64(result.generatedIDs.count))
      }
    }
  }
}
// end of snippet

final class FaultTestCase: XCTestCase {
  // snippet: Sources/PlumiseTesting/PlumiseTesting.docc/UsingXCTest.md
  func testALostReportIsMadeUpFor() async throws {
    try await withNetwork(nodes: 1) { network in
      let node = network.nodes[0]
      try await node.register()
      network.oracleFaults.add(FaultRule(.drop(.beforeHandling)))
      let lost = await node.reporter.reportNow()
      XCTAssertFalse(lost.isAccepted, "\(network.report)")
      let next = await node.reporter.reportNow()
      XCTAssertTrue(next.isAccepted, "\(network.report)")
    }
  }
  // end of snippet
}
