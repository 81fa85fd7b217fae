import InferenceMetrics
import Logging
import MockOracle
import OracleReporter
import PlumiseWire
import Testing

@Suite("Token counter", .timeLimit(.minutes(5))) struct TokenCounterTests {
  private let time = TestTime(1_770_200_000)

  private func oracle(_ dialect: ReportDialect = .deployed) -> MockOracle {
    MockOracle(OracleConfiguration(dialects: [dialect], clock: time.clock))
  }

  @Test(
    "A counter above the oracle's limit is started again, and no token is lost or counted twice")
  func restarts() async throws {
    let oracle = oracle()
    let (logger, levels) = Logger.recording()
    let reporting = try Reporting(to: oracle, dialect: .deployed, logger: logger)
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
    let reporting = try Reporting(to: oracle, dialect: .deployed)
    reporting.collector.recordInference(tokens: 3_500_000_000, latency: .milliseconds(5))
    try await reporting.reporter.start()
    #expect(await reporting.reporter.stop()?.isAccepted == true)
    #expect(oracle.agent(reporting.key.address)?.processedTokens == 3_500_000_000)
    #expect(oracle.agent(reporting.key.address)?.tasksCompleted == 1)
  }

  @Test("The documented dialect has no limit")
  func documented() async throws {
    let oracle = oracle(.documented)
    let reporting = try Reporting(to: oracle)
    reporting.collector.recordInference(tokens: 3_500_000_000, latency: .milliseconds(5))
    let outcome = await reporting.reporter.reportNow()
    #expect(outcome.processedTokens == 3_500_000_000 && !outcome.restartsCounter)
  }
}
