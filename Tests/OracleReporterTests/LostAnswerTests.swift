import EthereumPrimitives
import InferenceMetrics
import MockOracle
import OracleReporter
import PlumiseWire
import TestSupport
import Testing

@Suite("Lost answers", .timeLimit(.minutes(5))) struct LostAnswerTests {
  private func reporting(
    _ lossy: LossyOracle, dialect: ReportDialect = .documented
  ) async throws -> ReporterFixture {
    let reporting = try ReporterFixture(
      to: "http://oracle.test", dialect: dialect, transport: lossy.transport)
    #expect(await reporting.reporter.reportNow().isAccepted)
    return reporting
  }

  private func lossy(_ dialect: ReportDialect, _ time: TestTime) -> LossyOracle {
    LossyOracle(MockOracle(OracleConfiguration(dialects: [dialect], unixClock: time.clock)))
  }

  @Test(
    "Proofs whose answer was lost are not reported twice", arguments: ReportDialect.allCases)
  func answerLost(dialect: ReportDialect) async throws {
    let lossy = lossy(dialect, TestTime(1_770_200_000))
    let reporting = try await reporting(lossy, dialect: dialect)
    reporting.collector.recordProof(reporting.proof(1))
    lossy.lose(.answer)
    #expect(await reporting.reporter.reportNow().failure?.outcomeIsUnknown == true)
    reporting.collector.recordProof(reporting.proof(2))
    let next = await reporting.reporter.reportNow()
    #expect(next.isAccepted && next.proofCount == 2)
    #expect(lossy.reportedProofs == [1, 2].map { reporting.proof($0).inputHash.hex })
    #expect(reporting.collector.proofs.count == 0)
  }

  @Test(
    "Proofs whose report was lost arrive with the next, also when that is lost in turn",
    arguments: ReportDialect.allCases)
  func requestLost(dialect: ReportDialect) async throws {
    let lossy = lossy(dialect, TestTime(1_770_200_000))
    let reporting = try await reporting(lossy, dialect: dialect)
    (1...3).forEach { reporting.collector.recordProof(reporting.proof($0)) }
    lossy.lose(.request, .request, .answer, .answer)
    for _ in 0..<4 { _ = await reporting.reporter.reportNow() }
    #expect(await reporting.reporter.reportNow().isAccepted)
    #expect(lossy.reportedProofs == (1...3).map { reporting.proof($0).inputHash.hex })
  }

  @Test("A deployed report that is too old to be sent again gives its proofs to a new one")
  func tooOld() async throws {
    let time = TestTime(1_770_200_000)
    let lossy = lossy(.deployed, time)
    let reporting = try await reporting(lossy, dialect: .deployed)
    reporting.collector.recordProof(reporting.proof(1))
    lossy.lose(.request)
    _ = await reporting.reporter.reportNow()
    time.seconds += 55
    reporting.time.seconds += 55
    #expect(await reporting.reporter.reportNow().proofCount == 1)
    #expect(lossy.reportedProofs.count == 1)
  }

  @Test("A first report that is refused as a replay keeps its proofs")
  func clockBehind() async throws {
    let lossy = lossy(.documented, TestTime(1_770_200_000))
    let ahead = try signedReport(by: testKey(), timestamp: 1_770_300_000)
    #expect(await lossy.oracle.post(ahead).status == 200)
    let reporting = try ReporterFixture(to: "http://oracle.test", transport: lossy.transport)
    reporting.collector.recordProof(reporting.proof(1))
    lossy.lose(.request)
    for _ in 0..<3 { #expect(await !reporting.reporter.reportNow().isAccepted) }
    #expect(reporting.collector.proofs.count == 1)
    reporting.time.seconds = 1_770_300_001
    #expect(await reporting.reporter.reportNow().proofCount == 1)
  }
}
