import EthereumPrimitives
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire
import Testing

@Suite("Faulty network", .timeLimit(.minutes(10))) struct FaultyNetworkTests {
  /// What goes wrong with a request now and then, and how often.
  private static let faults: [(fault: Fault, likelihood: Double)] = [
    (.drop(.beforeHandling, .reset), 0.05), (.drop(.beforeAnswer, .reset), 0.05),
    (.drop(.midBody(after: 10), .reset), 0.05), (.drop(.afterAnswer, .reset), 0.03),
    (.drop(.beforeHandling, .close), 0.03), (.drop(.beforeAnswer, .close), 0.03),
    (.status(500), 0.03), (.status(502), 0.03), (.tooManyRequests(retryAfter: 3), 0.05),
    (.malformedJSON, 0.05), (.wrongContentType, 0.03), (.errorInside, 0.05),
    (.slowBody(.init(bytes: 16, pause: .seconds(1))), 0.05), (.delay(.seconds(2)), 0.03),
  ]

  @Test(
    "After a thousand reports over a faulty network the oracle's totals are the collector's",
    arguments: ReportDialect.allCases, [5, 6] as [UInt64])
  func totals(dialect: ReportDialect, seed: UInt64) async throws {
    let pauses = ManualClock()
    let faults = FaultScript(clock: pauses, seed: seed)
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle(OracleConfiguration(dialects: [dialect], clock: time.clock))
    // Whoever pauses goes on at once: only the order of things matters here.
    let ticking = Task { while true { try await pauses.advanceToNextDeadline() } }
    defer { ticking.cancel() }
    try await oracle.withServer(faults: faults) { address in
      let reporting = try Reporting(to: address.url, dialect: dialect)
      #expect(await reporting.reporter.reportNow().isAccepted)
      var chance = SeededChance(seed: seed ^ 0xface)
      add(to: faults, &chance)
      var (proofs, statuses, outages) = (0, Set<Int>(), 0)
      for _ in 0..<1000 {
        let tokens = Int.random(in: 0...20_000_000, using: &chance)
        reporting.collector.recordInference(tokens: tokens, latency: .milliseconds(10))
        if Bool.random(using: &chance) {
          proofs += 1
          reporting.collector.recordProof(reporting.proof(proofs))
        }
        let outcome = await reporting.reporter.reportNow()
        switch outcome.failure {
        case .refused(let status, _, _)?: statuses.insert(status)
        case .outage?: outages += 1
        case .timedOut?, nil: break
        }
        // Timestamps run ahead of the time of day when reports come fast.
        let lead = outcome.timestamp - time.seconds
        if lead > 30 {
          time.seconds += lead
          reporting.time.seconds += lead
        }
      }
      #expect(statuses.isSuperset(of: [200, 429, 500, 502, 503]) && outages > 50)
      #expect(faults.met.count > 300)
      faults.clear()
      // A connection that was reset behind its last answer shows it at the next request only.
      for _ in 0..<10 where await !reporting.reporter.reportNow().isAccepted {}
      try await reporting.reporter.start()
      #expect(await reporting.reporter.stop()?.isAccepted == true)

      let record = try #require(oracle.agent(reporting.key.address))
      let metrics = reporting.collector.snapshot
      #expect(record.processedTokens == metrics.totalTokens && metrics.totalRequests == 1000)
      #expect(record.tasksCompleted == metrics.totalRequests)
      #expect(record.proofCount == proofs && reporting.collector.proofs.count == 0)
      let reported = oracle.journal.entries.compactMap(\.accepted).flatMap(\.proofs)
        .map(\.inputHash)
      let isExact = reported == (1...proofs).map { reporting.proof($0).inputHash.hex }
      #expect(isExact, "\(reported.count) came, \(Set(reported).count) different, of \(proofs)")
    }
  }

  /// Every fault now and then, and bursts of 503 here and there.
  private func add(to faults: FaultScript, _ chance: inout SeededChance) {
    for (fault, likelihood) in Self.faults {
      faults.add(fault, times: nil, likelihood: likelihood)
    }
    for _ in 0..<15 {
      faults.add(
        .status(503), times: Int.random(in: 2...6, using: &chance),
        after: Int.random(in: 0..<400, using: &chance))
    }
  }
}
