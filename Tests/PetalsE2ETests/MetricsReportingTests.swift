import EthereumPrimitives
import Foundation
import HTTPTypes
import InferenceMetrics
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire
import TestSupport
import TestVectors
import Testing

/// The reference suite `test_metrics_reporting.py` on real parts: a reporter that signs, an oracle
/// that verifies, and HTTP between them.
@Suite("Metrics reporting", .timeLimit(.minutes(5))) struct MetricsReportingTests {
  @Test("A report has a payload of exactly six fields and a signature")
  func payloadFormatStructure() async throws {
    try await withReporting { reporting in
      reporting.recordReferenceInferences()
      #expect(await reporting.reporter.reportNow().isAccepted)
      let body = try await reporting.receivedBody()
      #expect(body.objectValue?.keys.sorted() == ["payload", "signature"])
      let payload = try #require(body["payload"]?.objectValue)
      #expect(
        payload.keys.sorted() == [
          "agent", "avg_latency_ms", "processed_tokens", "tasks_completed", "timestamp",
          "uptime_seconds",
        ])
      #expect(payload["agent"] == .string(reporting.key.address.checksummed))
      for name in ["processed_tokens", "tasks_completed", "timestamp", "uptime_seconds"] {
        #expect(payload[name]?.integerValue != nil, "\(name) is \(payload[name] ?? nil)")
      }
    }
  }

  @Test("600 tokens in 3 tasks of 100 ms on average arrive as just that")
  func payloadValuesCorrectness() async throws {
    try await withReporting { reporting in
      reporting.recordReferenceInferences()
      reporting.clock.advance(by: .seconds(90))
      #expect(await reporting.reporter.reportNow().isAccepted)
      let payload = try #require(try await reporting.receivedBody()["payload"])
      #expect(payload["processed_tokens"] == 600)
      #expect(payload["tasks_completed"] == 3)
      #expect(payload["avg_latency_ms"]?.numberValue?.text == "100.0")
      #expect(payload["uptime_seconds"] == 90)
      #expect(payload["timestamp"] == .integer(Reporting.startTime))
      let record = try #require(reporting.oracle.agent(reporting.key.address))
      #expect(record.processedTokens == 600 && record.tasksCompleted == 3)
      #expect(record.averageLatencyMilliseconds == 100)
    }
  }

  @Test("The signature is 65 bytes, and the one that another implementation makes")
  func signatureIsValid() async throws {
    try await withReporting { reporting in
      #expect(await reporting.reporter.reportNow().isAccepted)
      let text = try #require(try await reporting.receivedBody()["signature"]?.stringValue)
      #expect(text.hasPrefix("0x") && text.count == 132)
      #expect(try Signature(hex: text).bytes.count == 65)
    }
    let vectors = try JSON.parse(Data(contentsOf: TestVectors.ethereum))["reports"]?.arrayValue
    #expect(vectors?.isEmpty == false)
    for vector in vectors ?? [] {
      let key = try SecretKey(hex: try #require(vector["privateKey"]?.stringValue))
      let documented = try #require(vector["documented"])
      let payload = try #require(documented["payload"])
      let signature = SignedText(canonical: payload).signature(by: key)
      #expect(.string(signature.hex) == documented["signature"])
    }
  }

  @Test("The oracle recovers the agent from the signature, and refuses another key's")
  func signatureRecovery() async throws {
    try await withReporting { reporting in
      #expect(await reporting.reporter.reportNow().isAccepted)
      let body = try await reporting.receivedBody()
      let signature = try Signature(hex: try #require(body["signature"]?.stringValue))
      let signer = try SignedText(canonical: try #require(body["payload"])).signer(of: signature)
      #expect(signer == reporting.key.address)
      let entry = try #require(reporting.oracle.journal.entries.last)
      #expect(entry.agent == signer && entry.accepted != nil)

      let (agent, other) = (reporting.key.address, SecretKey.random())
      let payload = try DocumentedReport.Payload(
        agent: agent, processedTokens: 600, averageLatencyMilliseconds: 100, uptimeSeconds: 90,
        tasksCompleted: 3, timestamp: Reporting.startTime + 1)
      let forged = payload.signed(with: other).body.serialized()
      #expect(try await post(forged, to: reporting.url).status == 401)
      #expect(
        reporting.oracle.journal.entries.last?.refusal
          == .wrongSigner(recovered: other.address, claimed: agent))
      #expect(reporting.oracle.agent(agent)?.reportCount == 1)
    }
  }

  @Test("An accepted report is a success on both sides")
  func httpSuccessResponse() async throws {
    try await withReporting { reporting in
      let outcome = await reporting.reporter.reportNow()
      #expect(outcome.isAccepted && outcome.consecutiveFailures == 0)
      let entry = try await reporting.oracle.journal.next()
      #expect(entry.status == 200 && entry.accepted?.timestamp == outcome.timestamp)
      #expect(await reporting.reporter.consecutiveFailures == 0)
    }
  }

  @Test("A server's error is a failure that may be tried again")
  func httpErrorResponse() async throws {
    try await withReporting { reporting in
      reporting.faults.add(.status(500))
      let outcome = await reporting.reporter.reportNow()
      #expect(
        outcome.failure
          == .refused(status: 500, message: "no reason given", retryAfter: nil))
      #expect(outcome.failure?.isRetryable == true)
      #expect(await reporting.reporter.consecutiveFailures == 1)
      #expect(await reporting.reporter.reportNow().isAccepted)
    }
  }

  @Test("A client's error is a failure that says what the oracle said")
  func httpClientError() async throws {
    try await withReporting { reporting in
      let answer = Array(#"{"status":"error","message":"Malformed JSON"}"#.utf8)
      reporting.faults.add(.answer(.json(answer, status: .badRequest)))
      let outcome = await reporting.reporter.reportNow()
      #expect(
        outcome.failure == .refused(status: 400, message: "Malformed JSON", retryAfter: nil))
      #expect(outcome.failure?.isRetryable == false)
      #expect(await reporting.reporter.consecutiveFailures == 1)

      // The status alone says no, too.
      reporting.faults.add(.status(404))
      #expect(await reporting.reporter.reportNow().isAccepted == false)
      #expect(await reporting.reporter.consecutiveFailures == 2)
    }
  }

  @Test("An oracle that never answers is given up after thirty seconds of the test's clock")
  func timeoutHandling() async throws {
    try await withReporting { reporting in
      reporting.faults.add(.neverAnswer)
      async let reported = reporting.reporter.reportNow()
      _ = try await reporting.faults.met.next()
      try await reporting.clock.waitForSleeper(until: .seconds(30))
      reporting.clock.advance(by: .seconds(30))
      let outcome = await reported
      #expect(
        outcome.failure
          == .timedOut(url: reporting.url + "/api/v1/report", after: .seconds(30)))
      #expect(reporting.oracle.journal.count == 0)
      #expect(await reporting.reporter.reportNow().isAccepted)
    }
  }

  @Test("Where nothing listens, and where the connection breaks, is an outage")
  func networkErrorHandling() async throws {
    try await withClosedPort { address async throws in
      let lonely = try Reporting.reporter(to: address.url, key: .random())
      let failure = try #require(await lonely.reportNow().failure)
      #expect(failure.code == .outage)
      #expect(failure.message.hasPrefix("no answer from \(address.url)/api/v1/report: "))
    }
    let moments: [Fault.Moment] = [.beforeHandling, .beforeAnswer, .midBody(after: 10)]
    try await withReporting { reporting in
      for (moment, ending) in moments.flatMap({ [($0, Fault.Ending.close), ($0, .reset)] }) {
        reporting.faults.add(.drop(moment, ending))
        guard await reporting.reporter.reportNow().failure?.code == .outage else {
          Issue.record("a connection dropped \(moment) by \(ending) is no outage")
          continue
        }
      }
      #expect(await reporting.reporter.consecutiveFailures == 6)
      #expect(await reporting.reporter.reportNow().isAccepted)
    }
  }

  @Test("Failures in a row are counted from 1 to 15, and a success ends the row")
  func consecutiveFailureTracking() async throws {
    try await withReporting { reporting in
      reporting.faults.add(.status(503), count: 15)
      for number in 1...15 {
        #expect(await reporting.reporter.reportNow().consecutiveFailures == number)
        #expect(await reporting.reporter.consecutiveFailures == number)
      }
      #expect(await reporting.reporter.reportNow().consecutiveFailures == 0)
      #expect(await reporting.reporter.consecutiveFailures == 0)
    }
  }

  @Test("Reports are posted to the oracle's URL and the documented path")
  func reportUrlConstruction() async throws {
    try await withReporting { reporting in
      #expect(reporting.reporter.configuration.reportURL == reporting.url + "/api/v1/report")
      #expect(await reporting.reporter.reportNow().isAccepted)
      let request = try await reporting.oracle.journal.next().request
      #expect(request.method == .post && request.path == "/api/v1/report")
      #expect(request.headers[.contentType] == "application/json")
    }
  }

  @Test("Trailing slashes of the oracle's URL do not double", arguments: ["/", "//", "///"])
  func trailingSlashInOracleUrl(slashes: String) async throws {
    try await withReporting { reporting in
      let reporter = try Reporting.reporter(to: reporting.url + slashes, key: reporting.key)
      #expect(reporter.configuration.reportURL == reporting.url + "/api/v1/report")
      #expect(await reporter.reportNow().isAccepted)
      #expect(reporting.oracle.journal.entries.map(\.request.path) == ["/api/v1/report"])
    }
  }
}
