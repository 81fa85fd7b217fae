import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseTesting
import Testing

@Suite("Reports of failures", .timeLimit(.minutes(5)))
struct NetworkReportTests {
  /// Runs a body in a network of the trait; returns its issues' comments in place of recording them.
  private func comments(
    of plan: NetworkPlan, _ body: @escaping @Sendable (PetalsNetwork) async throws -> Void
  ) async throws -> [[String]] {
    let test = try #require(Test.current)
    let seen = Journal<[String]>()
    let outer: IssueHandlingTrait = .compactMapIssues { issue in
      seen.record(issue.comments.map(\.rawValue))
      return nil
    }
    let trait: PetalsNetworkTrait = .petalsNetwork { plan }
    try await outer.provideScope(for: test, testCase: nil) {
      try await trait.provideScope(for: test, testCase: nil) {
        try await body(try PetalsNetwork.current)
      }
    }
    return seen.entries
  }

  @Test("An agent that is not registered is the first cause, with what to do")
  func unregistered() async throws {
    let seen = try await comments(of: NetworkPlan(nodes: 1)) { network in
      let node = network.nodes[0]
      _ = await node.reporter.reportNow()
      _ = await node.reporter.reportNow()
      #expect(network.oracle.agent(node.address) != nil)
    }
    try #require(seen.count == 1)
    let causes = seen[0]
    try #require(causes.count == 2, "\(causes)")
    #expect(causes[0].contains("not registered on the chain"))
    #expect(causes[0].contains("nodes[0].register()"))
    #expect(causes[1].contains("403") && causes[1].contains("(2 times)"), "\(causes[1])")
  }

  @Test("An expectation of the oracle says which node has not reported; another does not")
  func notReported() async throws {
    let seen = try await comments(of: NetworkPlan(nodes: 2)) { network in
      let first = network.nodes[0]
      try await first.register()
      #expect(await first.reporter.reportNow().isAccepted)
      #expect(network.oracle.agent(network.nodes[1].address) != nil)
      #expect(network.chain.blockNumber == 1_000_000)
    }
    try #require(seen.count == 2)
    #expect(seen[0].count == 1)
    #expect(seen[0].first?.contains("node 1") == true, "\(seen[0])")
    #expect(seen[0].first?.contains("has not reported yet") == true)
    #expect(seen[1] == [])
  }

  @Test("A transaction that failed is a cause, with the reason, the instruction and the calls")
  func failedTransaction() async throws {
    let seen = try await comments(of: NetworkPlan(nodes: 1)) { network in
      let node = network.nodes[0]
      try await node.register()
      network.chain.inject(ChainFaultRule(.revert(reason: "closed today")))
      await #expect(throws: (any Error).self) { try await node.agent.heartbeat() }
      Issue.record("an issue")
    }
    let failures = try #require(seen.first).filter { $0.hasPrefix("the chain: transaction 0x") }
    #expect(failures.count == 1 && failures[0].hasSuffix("closed today"), "\(seen)")
  }

  @Test("A clock that nobody moved is a cause while tasks wait for it")
  func clockStands() async throws {
    let seen = try await comments(of: NetworkPlan(nodes: 1)) { network in
      let node = network.nodes[0]
      try await node.register()
      try await node.reporter.start()
      try await network.clock.waitForSleepers()
      #expect(network.oracle.agent(node.address)?.reportCount == 1)
      try await network.time.advance(by: .seconds(60))
      Issue.record("a later issue")
    }
    try #require(seen.count == 2)
    #expect(seen[0].contains { $0.contains("clock stands still") && $0.contains("60") })
    #expect(seen[1] == ["a later issue"])
  }

  @Test("The report decodes transactions, and holds requests, refusals, deadlines and faults")
  func text() async throws {
    let plan = try NetworkPlan(nodes: 1)
    try await withPetalsNetwork(plan) { network in
      let node = network.nodes[0]
      network.oracleFaults.add(.status(503))
      network.chain.inject(ChainFaultRule(.revert(reason: "closed today")))
      await #expect(throws: (any Error).self) { try await node.register() }
      try await node.register()
      _ = await node.reporter.reportNow()
      try await node.reporter.start()
      try await network.clock.waitForSleepers()
      let text = "\(network.report)"
      for part in [
        node.address.checksummed, "blocks 0-23", "registration(", "closed today", "succeeded",
        "failed", "met a fault", "sleepers wait until",
      ] {
        #expect(text.contains(part), "no \(part) in:\n\(text)")
      }
    }
  }
}
