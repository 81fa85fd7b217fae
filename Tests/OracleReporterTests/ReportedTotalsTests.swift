import AsyncPrimitives
import EthereumPrimitives
import InferenceMetrics
import Logging
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire
import Synchronization
import TestSupport
import Testing

/// Everything that can go wrong between a reporter and its oracle, chosen by a seed.
private final class FaultyOracle: Sendable {
  enum Fault: CaseIterable, Sendable {
    case requestLost, answerLost, serverError, tooManyRequests, badGateway, badGatewayAfter
    case errorInside, garbledAnswer
  }
  struct Lost: Error {}

  let oracle: MockOracle
  private let chance: Mutex<SeededGenerator>
  private let isCalm = Mutex(false)
  private let met = Mutex<Set<Fault>>([])

  init(_ oracle: MockOracle, seed: UInt64) {
    self.oracle = oracle
    chance = Mutex(SeededGenerator(seed: seed))
  }

  func calmDown() { isCalm.withLock { $0 = true } }
  var faultsMet: Set<Fault> { met.withLock { $0 } }

  var transport: InMemoryReportTransport {
    InMemoryReportTransport { request in
      func handle() async throws -> ReportAnswer {
        try await InMemoryReportTransport(self.oracle).post(request)
      }
      guard let fault = self.nextFault() else { return try await handle() }
      switch fault {
      case .requestLost: throw Lost()
      case .answerLost:
        _ = try await handle()
        throw Lost()
      case .serverError: return ReportAnswer(status: 500, body: [])
      case .tooManyRequests:
        return ReportAnswer(status: 429, retryAfter: .seconds(3), body: [])
      case .badGateway: return ReportAnswer(status: 502, body: Array("<html>".utf8))
      case .badGatewayAfter:
        _ = try await handle()
        return ReportAnswer(status: 504, body: [])
      case .errorInside:
        return ReportAnswer(status: 200, body: Array(#"{"status":"error"}"#.utf8))
      case .garbledAnswer:
        let answer = try await handle()
        return answer.status < 300
          ? ReportAnswer(status: answer.status, body: Array("{garbled".utf8)) : answer
      }
    }
  }

  private func nextFault() -> Fault? {
    guard !isCalm.withLock({ $0 }) else { return nil }
    let fault = chance.withLock { chance -> Fault? in
      Bool.random(using: &chance) ? Fault.allCases.randomElement(using: &chance) : nil
    }
    if let fault { met.withLock { _ = $0.insert(fault) } }
    return fault
  }
}

@Suite("Faulty journey", .timeLimit(.minutes(10))) struct FaultyJourneyTests {
  @Test(
    "After a thousand steps of faults the oracle's totals are the collector's, and no proof came twice",
    arguments: ReportDialect.allCases, [1, 2, 3] as [UInt64])
  func totals(dialect: ReportDialect, seed: UInt64) async throws {
    let oracleTime = TestTime(1_770_200_000)
    let faulty = FaultyOracle(
      MockOracle(OracleConfiguration(dialects: [dialect], unixClock: oracleTime.clock)), seed: seed)
    let reporting = try ReporterFixture(
      to: "http://oracle.test", dialect: dialect, transport: faulty.transport)
    var chance = SeededGenerator(seed: seed ^ 0xface)
    var proofs = 0
    while await !reporting.reporter.reportNow().isAccepted {}
    for _ in 0..<1000 {
      switch Int.random(in: 0..<5, using: &chance) {
      case 0, 1:
        // Enough to carry the deployed counter over its limit a few times.
        let tokens = Int.random(in: 0...20_000_000, using: &chance)
        reporting.collector.recordInference(tokens: tokens, latency: .milliseconds(10))
      case 2:
        proofs += 1
        reporting.collector.recordProof(reporting.proof(proofs))
      case 3:
        let seconds = Int64.random(in: 0...2, using: &chance)
        oracleTime.seconds += seconds
        reporting.time.seconds += seconds
      default:
        let outcome = await reporting.reporter.reportNow()
        // Timestamps run ahead of the time of day when reports come fast.
        let lead = outcome.timestamp - oracleTime.seconds
        if lead > 30 {
          oracleTime.seconds += lead
          reporting.time.seconds += lead
        }
      }
    }
    #expect(faulty.faultsMet == Set(FaultyOracle.Fault.allCases))
    faulty.calmDown()
    try await reporting.reporter.start()
    #expect(await reporting.reporter.stop()?.isAccepted == true)

    let record = try #require(faulty.oracle.agent(reporting.key.address))
    let metrics = reporting.collector.snapshot
    #expect(record.processedTokens == metrics.totalTokens)
    #expect(record.tasksCompleted == metrics.totalRequests)
    #expect(record.proofCount == proofs && reporting.collector.proofs.count == 0)
    let reported = faulty.oracle.journal.entries.compactMap(\.accepted).flatMap(\.proofs)
      .map(\.inputHash)
    let isExact = reported == (1...proofs).map { reporting.proof($0).inputHash.hex }
    #expect(isExact, "\(reported.count) proofs came, \(Set(reported).count) different of \(proofs)")
  }
}

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
    let oracle = MockOracle(OracleConfiguration(dialects: [dialect], unixClock: time.clock))
    // Whoever pauses goes on at once: only the order of things matters here.
    let ticking = Task { while true { try await pauses.advanceToNextDeadline() } }
    defer { ticking.cancel() }
    try await oracle.withServer(faults: faults) { address in
      let reporting = try ReporterFixture(to: address.url, dialect: dialect)
      #expect(await reporting.reporter.reportNow().isAccepted)
      var chance = SeededGenerator(seed: seed ^ 0xface)
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
        switch outcome.failure?.code {
        case .refused?: statuses.formUnion(outcome.failure?.status.map { [$0] } ?? [])
        case .outage?: outages += 1
        default: break
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
  private func add(to faults: FaultScript, _ chance: inout SeededGenerator) {
    for (fault, likelihood) in Self.faults {
      faults.add(fault, count: nil, probability: likelihood)
    }
    for _ in 0..<15 {
      faults.add(
        .status(503), count: Int.random(in: 2...6, using: &chance),
        skip: Int.random(in: 0..<400, using: &chance))
    }
  }
}

@Suite("Token counter", .timeLimit(.minutes(5))) struct TokenCounterTests {
  private let time = TestTime(1_770_200_000)

  private func oracle(_ dialect: ReportDialect = .deployed) -> MockOracle {
    MockOracle(OracleConfiguration(dialects: [dialect], unixClock: time.clock))
  }

  @Test(
    "A counter above the oracle's limit is started again, and no token is lost or counted twice")
  func restarts() async throws {
    let oracle = oracle()
    let (logger, levels) = Logger.recording()
    let reporting = try ReporterFixture(to: oracle, dialect: .deployed, logger: logger)
    var total: Int64 = 0
    var restarts = 0
    for step in 0..<40 {
      let tokens = step.isMultiple(of: 7) ? 300_000_000 : 90_000_000
      total += Int64(tokens)
      reporting.collector.recordInference(tokens: tokens, latency: .milliseconds(5))
      let outcome = await reporting.reporter.reportNow()
      #expect(outcome.isAccepted)
      restarts += outcome.restartsCounter ? 1 : 0
    }
    #expect(oracle.agent(reporting.key.address)?.processedTokens == total)
    #expect(restarts >= 4 && levels.count(of: .notice) == restarts)
  }

  @Test("More than the limit at once is reported in parts")
  func inParts() async throws {
    let oracle = oracle()
    let reporting = try ReporterFixture(to: oracle, dialect: .deployed)
    reporting.collector.recordInference(tokens: 3_500_000_000, latency: .milliseconds(5))
    try await reporting.reporter.start()
    #expect(await reporting.reporter.stop()?.isAccepted == true)
    #expect(oracle.agent(reporting.key.address)?.processedTokens == 3_500_000_000)
    #expect(oracle.agent(reporting.key.address)?.tasksCompleted == 1)
  }

  @Test("The documented dialect has no limit")
  func documented() async throws {
    let oracle = oracle(.documented)
    let reporting = try ReporterFixture(to: oracle)
    reporting.collector.recordInference(tokens: 3_500_000_000, latency: .milliseconds(5))
    let outcome = await reporting.reporter.reportNow()
    #expect(outcome.processedTokens == 3_500_000_000 && !outcome.restartsCounter)
  }
}
