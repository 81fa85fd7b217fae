import EthereumPrimitives
import HTTPTypes
import InferenceMetrics
import Logging
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Reporter failures", .timeLimit(.minutes(5))) struct ReporterFailureTests {
  @Test(
    "An answer is a success by its status and its body",
    arguments: [
      (200, "{\"status\":\"success\"}", true), (201, "{\"success\":true}", true), (204, "", true),
      (200, "not json", true), (200, "[]", true), (299, "{}", true),
      (200, "{\"status\":\"error\",\"message\":\"no\"}", false),
      (201, "{\"success\":false,\"message\":\"no\"}", false),
      (300, "{\"status\":\"success\"}", false), (400, "{}", false), (500, "oops", false),
    ])
  func successRule(status: Int, body: String, isAccepted: Bool) async throws {
    let reporting = try ReporterFixture(
      to: "http://oracle.test",
      transport: InMemoryReportTransport(status: status, body: body))
    let outcome = await reporting.reporter.reportNow()
    #expect(outcome.isAccepted == isAccepted)
    #expect(outcome.failure?.status == (isAccepted ? nil : status))
    #expect(outcome.failure?.code == (isAccepted ? nil : .refused))
  }

  @Test(
    "The oracle's message is kept, in whichever form it comes",
    arguments: [
      ("{\"status\":\"error\",\"message\":\"Replay\"}", "Replay"),
      ("{\"message\":[\"one\",\"two\"]}", "one; two"), ("<html>", "<html>"),
      ("", "no reason given"),
    ])
  func message(body: String, message: String) async throws {
    let reporting = try ReporterFixture(
      to: "http://oracle.test", transport: InMemoryReportTransport(status: 409, body: body))
    let failure = await reporting.reporter.reportNow().failure
    #expect(failure == .refused(status: 409, message: message, retryAfter: nil))
    #expect(failure?.isRetryable == false)
  }

  @Test(
    "Outages, time-outs, 5xx, 408 and 429 may be tried again, refusals not",
    arguments: [
      (500, true), (503, true), (429, true), (408, true), (400, false), (401, false), (409, false),
      (422, false), (200, false),
    ])
  func retryable(status: Int, isRetryable: Bool) {
    let failure = ReporterError.refused(status: status, message: "", retryAfter: nil)
    #expect(failure.isRetryable == isRetryable)
    #expect(ReporterError.outage(url: "u", reason: "r").isRetryable)
    #expect(ReporterError.timedOut(url: "u", after: .seconds(30)).isRetryable)
  }

  @Test("Retry-After longer than the interval puts the next report off")
  func retryAfter() async throws {
    let transport = InMemoryReportTransport(status: 429, body: "", retryAfter: .seconds(300))
    let reporting = try ReporterFixture(to: "http://oracle.test", transport: transport)
    var outcomes = reporting.reporter.outcomes().makeAsyncIterator()
    try await reporting.reporter.start()
    try await reporting.nextInterval()
    #expect(await outcomes.next()?.isAccepted == false)
    try await reporting.clock.waitForSleeper(until: .seconds(360))
    await reporting.reporter.stop()
  }

  @Test(
    "Retry-After puts the next report off by ten intervals or ten minutes at the most",
    arguments: [
      (10, 600), (60, 600), (90, 900), (3600, 36_000),
    ] as [(Int64, Int64)])
  func retryAfterIsBounded(interval: Int64, longest: Int64) async throws {
    let transport = InMemoryReportTransport(
      status: 503, body: "", retryAfter: .seconds(Int64.max))
    let reporting = try ReporterFixture(
      to: "http://oracle.test", interval: .seconds(interval), transport: transport)
    var outcomes = reporting.reporter.outcomes().makeAsyncIterator()
    try await reporting.reporter.start()
    try await reporting.nextInterval()
    #expect(await outcomes.next()?.isAccepted == false)
    try await reporting.clock.waitForSleeper(until: .seconds(interval + longest))
    await reporting.reporter.stop()
  }

  @Test("Retry-After of less than nothing, or of no number, is ignored", arguments: ["-5", "soon"])
  func retryAfterIsNone(value: String) async throws {
    try await withWebServer(respond: { _ in
      WebResponse(status: .tooManyRequests, headers: [.retryAfter: value])
    }) { address async throws in
      let reporting = try ReporterFixture(to: address.url)
      #expect(
        await reporting.reporter.reportNow().failure
          == .refused(status: 429, message: "no reason given", retryAfter: nil))
    }
  }

  @Test("The tenth failure in a row is an error in the log, the others are warnings")
  func logs() async throws {
    let (logger, levels) = Logger.recording()
    let reporting = try ReporterFixture(
      to: "http://oracle.test", transport: InMemoryReportTransport(status: 500, body: ""),
      logger: logger)
    for number in 1...12 {
      let outcome = await reporting.reporter.reportNow()
      #expect(outcome.consecutiveFailures == number)
      #expect(levels.count(of: .warning) == number)
      #expect(levels.count(of: .error) == (number < 10 ? 0 : 1))
    }
  }

  @Test("Proofs stay until a report that carried them was accepted")
  func proofsAreKept() async throws {
    let oracle = MockOracle()
    let isDown = TestTime(1)
    let transport = InMemoryReportTransport { request in
      if isDown.seconds == 1 { return ReportAnswer(status: 503, body: []) }
      return try await InMemoryReportTransport(oracle).post(request)
    }
    let reporting = try ReporterFixture(to: "http://oracle.test", transport: transport)
    (1...3).forEach { reporting.collector.recordProof(reporting.proof($0)) }
    let lost = await reporting.reporter.reportNow()
    #expect(lost.proofCount == 3 && reporting.collector.proofs.count == 3)
    reporting.collector.recordProof(reporting.proof(4))
    isDown.seconds = 0
    let taken = await reporting.reporter.reportNow()
    #expect(taken.proofCount == 4 && reporting.collector.proofs.count == 0)
    #expect(
      oracle.proofs(of: reporting.key.address).map(\.inputHash)
        == (1...4).map { reporting.proof($0).inputHash.hex })
    let empty = await reporting.reporter.reportNow()
    #expect(empty.proofCount == 0)
  }

  @Test(
    "More proofs than fit are split over reports; the last ones go out on stop",
    arguments: [
      (ReportDialect.deployed, 600), (.documented, 3000),
    ])
  func split(dialect: ReportDialect, count: Int) async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle(OracleConfiguration(dialects: [dialect], unixClock: time.clock))
    let reporting = try ReporterFixture(to: oracle, dialect: dialect)
    (0..<count).forEach { reporting.collector.recordProof(reporting.proof($0)) }
    try await reporting.reporter.start()
    let last = try #require(await reporting.reporter.stop())
    #expect(last.isAccepted && last.number > 1)
    #expect(oracle.proofs(of: reporting.key.address).count == count)
    #expect(
      oracle.journal.entries.allSatisfy { $0.request.body.count <= dialect.longestBody })
  }

  @Test("A proof of no token does not cost the deployed report that would carry it")
  func emptyProof() async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle(OracleConfiguration(dialects: [.deployed], unixClock: time.clock))
    let reporting = try ReporterFixture(to: oracle, dialect: .deployed)
    reporting.collector.recordProof(reporting.proof(1, tokens: 0))
    reporting.collector.recordProof(reporting.proof(2, tokens: 1))
    #expect(await reporting.reporter.reportNow().isAccepted)
    #expect(oracle.proofs(of: reporting.key.address).count == 1)
    #expect(reporting.collector.proofs.count == 0)
  }

  @Test("In the deployed dialect the oracle's total follows the counter")
  func deployed() async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle(OracleConfiguration(dialects: [.deployed], unixClock: time.clock))
    try await oracle.withServer { address in
      let reporting = try ReporterFixture(to: address.url + "/", dialect: .deployed)
      for tokens in [100, 200, 300] {
        reporting.collector.recordInference(tokens: tokens, latency: .milliseconds(100))
        #expect(await reporting.reporter.reportNow().isAccepted)
      }
      #expect(oracle.agent(reporting.key.address)?.processedTokens == 600)
      #expect(oracle.agent(reporting.key.address)?.averageLatencyMilliseconds == 100)
    }
  }
}
