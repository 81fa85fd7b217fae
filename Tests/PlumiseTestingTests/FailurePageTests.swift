import Foundation
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Pages of failures", .timeLimit(.minutes(5)))
struct FailurePageTests {
  private func report(in folder: URL) throws -> JSON {
    try JSON.parse(Data(contentsOf: folder.appending(path: "report.json")))
  }

  /// What the ledger says of a node.
  private func account(_ index: Int, _ report: JSON) throws -> JSON {
    try #require(report["ledger"]?["nodes"]?[index])
  }

  @Test(
    "A lost report shows in the ledger with its reason, and its fault as a band; the next one balances it"
  )
  func lostReport() async throws {
    try await withTemporaryFolder { folder in
      try await withPetalsNetwork(NetworkPlan(nodes: 2)) { network in
        let (first, second) = (network.nodes[0], network.nodes[1])
        for node in network.nodes { try await node.register() }
        let generated = try await network.generate("Hello", maxNewTokens: 4).generatedIDs.count
        #expect(await first.reporter.reportNow().isAccepted)
        network.oracleFaults.add(.status(503))
        #expect(await !second.reporter.reportNow().isAccepted)
        try network.report.write(to: folder.path)
        let lost = try report(in: folder)
        #expect(lost["schema"] == "petals-e2e/failure/1" && lost["ledger"]?["balanced"] == false)
        let good = try account(0, lost)
        for column in ["served", "reported", "acknowledged"] {
          #expect(good[column] == .integer(generated), "\(column)")
        }
        #expect(good["balanced"] == true)
        let gap = try #require(try account(1, lost)["gaps"]?[0])
        #expect(gap["between"] == "served and reported" && gap["tokens"] == .integer(generated))
        #expect(gap["reason"]?.stringValue?.contains("503") == true)
        let band = try #require(lost["time_line"]?["faults"]?[0])
        #expect(band["part"] == "oracle" && band["ending"] == "used up")
        #expect(band["fault"]?.stringValue?.contains("status 503") == true)
        #expect(await second.reporter.reportNow().isAccepted)
        try network.report.write(to: folder.path)
        #expect(try report(in: folder)["ledger"]?["balanced"] == true)
      }
    }
  }

  @Test("A node that was killed and served again is accounted over both of its lives")
  func lives() async throws {
    try await withTemporaryFolder { folder in
      try await withPetalsNetwork(NetworkPlan(nodes: 1)) { network in
        let node = network.nodes[0]
        try await node.register()
        let first = try await network.generate("Hello", maxNewTokens: 3).generatedIDs.count
        #expect(await node.reporter.reportNow().isAccepted)
        await node.kill()
        try await node.restart()
        let second = try await network.generate("Hello", maxNewTokens: 2).generatedIDs.count
        // A report of the same second as the one before would be a replay.
        try await network.time.advance(by: .seconds(1))
        #expect(await node.reporter.reportNow().isAccepted)
        try network.report.write(to: folder.path)
        let found = try account(0, try report(in: folder))
        #expect(found["served"] == .integer(first + second))
        #expect(found["acknowledged"] == .integer(first + second) && found["balanced"] == true)
      }
    }
  }

  @Test("Faults of chain and links are bands as well, from when they were on until they were off")
  func bands() async throws {
    try await withTemporaryFolder { folder in
      var plan = try NetworkPlan(nodes: 1)
      plan.hasFaultyLinks = true
      try await withPetalsNetwork(plan) { network in
        network.chain.inject(ChainFaultRule(.revert(reason: "closed today")))
        await #expect(throws: (any Error).self) { try await network.nodes[0].register() }
        network.chain.inject(ChainFaultRule(.stall, count: nil))
        network.chain.clearFaults()
        let link = try network.link(from: .client, to: .node(0))
        link.add(LinkFaultRule(.reset))
        // Whether the client recovers from the reset is not asked here.
        _ = try? await network.generate("a", maxNewTokens: 1)
        await link.cut()
        try await link.heal()
        link.hold()
        try network.report.write(to: folder.path)
        link.release()
      }
      let bands = try #require(try report(in: folder)["time_line"]?["faults"]?.arrayValue)
      func endings(_ part: String, _ words: String) -> [String] {
        bands.filter {
          $0["part"]?.stringValue == part && $0["fault"]?.stringValue?.contains(words) == true
        }.map { $0["ending"]?.stringValue ?? "on" }
      }
      #expect(endings("chain", "closed today") == ["used up"])
      #expect(endings("chain", "stall") == ["taken back"])
      #expect(endings("the client → node 0", "reset") == ["used up"])
      #expect(endings("the client → node 0", "link cut") == ["opened"])
      #expect(endings("the client → node 0", "link held") == ["on"])
    }
  }

  @Test("A test that fails leaves its bundle in the folder of its trait, each case one of its own")
  func bundle() async throws {
    try await withTemporaryFolder { folder in
      let test = try #require(Test.current)
      let outer: IssueHandlingTrait = .compactMapIssues { _ in nil }
      let reports: FailureReportsTrait = .failureReports(in: folder.path)
      let trait: PetalsNetworkTrait = .petalsNetwork(nodes: 1)
      for _ in 0..<2 {
        try await outer.provideScope(for: test, testCase: nil) {
          try await reports.provideScope(for: test, testCase: nil) {
            try await trait.provideScope(for: test, testCase: nil) {
              Issue.record("what <failed>")
            }
          }
        }
      }
      // One that passes leaves nothing.
      try await reports.provideScope(for: test, testCase: nil) {
        try await trait.provideScope(for: test, testCase: nil) {}
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      #expect(names == ["PlumiseTestingTests.bundle", "PlumiseTestingTests.bundle-2"])
      let own = folder.appending(path: names[0])
      let files = try FileManager.default.contentsOfDirectory(atPath: own.path).sorted()
      #expect(
        files == ["events.jsonl", "network.txt", "report.html", "report.json", "requests.jsonl"])
      let page = try String(contentsOf: own.appending(path: "report.html"), encoding: .utf8)
      #expect(page.contains("what &lt;failed&gt;") && page.contains("swift test --filter"))
      let found = try report(in: own)
      #expect(
        found["ok"] == false && found["issues"]?[0]?.stringValue?.contains("what <failed>") == true)
      let events = try String(contentsOf: own.appending(path: "events.jsonl"), encoding: .utf8)
      #expect(Int64(events.split(separator: "\n").count) == found["events"]?.integerValue)
    }
  }

  @Test("A bundle that cannot be written is told with the folder")
  func unwritable() async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("file", [])
      try await withPetalsNetwork(NetworkPlan(nodes: 1)) { network in
        let error = #expect(throws: NetworkReportError.self) {
          try network.report.write(to: "\(file)/report")
        }
        #expect(error?.description.contains("\(file)/report: Not a directory") == true)
      }
    }
  }

  @Test(
    "The page opens from disk in a browser, and its time line, its bands and its ledger are report.json's",
    .enabled(if: Browser.isWanted, Browser.absence))
  func browser() async throws {
    try await withTemporaryFolder { folder in
      try await withPetalsNetwork(NetworkPlan(nodes: 2)) { network in
        for node in network.nodes { try await node.register() }
        _ = try await network.generate("Hello", maxNewTokens: 4)
        network.oracleFaults.add(.status(503))
        _ = await network.nodes[0].reporter.reportNow()
        try network.report.write(to: folder.path)
      }
      let report = try report(in: folder)
      try await Browser.with { browser in
        try await browser.open("file://" + folder.file("report.html"))
        try await ReportOnDisk(browser: browser).checkHistory(report)
        #expect(try await browser.consoleErrors() == [])
      }
    }
  }
}
