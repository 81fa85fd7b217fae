import EthereumPrimitives
import MockOracle
import OracleReporter
import PlumiseWire
import Synchronization
import Testing

/// Everything that can go wrong between a reporter and its oracle, chosen by a seed.
private final class FaultyOracle: Sendable {
  enum Fault: CaseIterable, Sendable {
    case requestLost, answerLost, serverError, tooManyRequests, badGateway, badGatewayAfter
    case errorInside, garbledAnswer
  }
  struct Lost: Error {}

  let oracle: MockOracle
  private let chance: Mutex<SeededChance>
  private let isCalm = Mutex(false)
  private let met = Mutex<Set<Fault>>([])

  init(_ oracle: MockOracle, seed: UInt64) {
    self.oracle = oracle
    chance = Mutex(SeededChance(seed: seed))
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
      MockOracle(OracleConfiguration(dialects: [dialect], clock: oracleTime.clock)), seed: seed)
    let reporting = try Reporting(
      to: "http://oracle.test", dialect: dialect, transport: faulty.transport)
    var chance = SeededChance(seed: seed ^ 0xface)
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
