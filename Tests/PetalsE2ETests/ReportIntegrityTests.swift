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
import Testing

/// What must hold beyond the reference suite: nothing altered is taken, and nothing is lost.
@Suite("Report integrity", .timeLimit(.minutes(5))) struct ReportIntegrityTests {
  @Test("A report whose payload was altered on the way is refused: every single bit")
  func everyBitFlip() async throws {
    try await withReporting { reporting in
      reporting.recordReferenceInferences()
      reporting.faults.add(.drop(.beforeHandling))
      _ = await reporting.reporter.reportNow()
      let body = try await reporting.faults.met.next().body
      // The payload ends where the signature's member begins.
      let range = try #require(String(decoding: body, as: UTF8.self).range(of: ",\"signature\""))
      let end = String(decoding: body, as: UTF8.self).utf8.distance(
        from: String(decoding: body, as: UTF8.self).startIndex, to: range.lowerBound)
      for index in 0..<end {
        for bit in 0..<8 {
          var flipped = body
          flipped[index] ^= 1 << bit
          let answer = await reporting.oracle.respond(
            to: WebRequest(.post, "/api/v1/report", body: flipped))
          #expect(
            [400, 401, 422].contains(answer.status.code),
            "bit \(bit) of byte \(index) was answered with \(answer.status.code)")
        }
      }
      #expect(reporting.oracle.agents.isEmpty)
    }
  }

  @Test("A report that is sent twice is a replay, and says so")
  func replay() async throws {
    try await withReporting { reporting in
      #expect(await reporting.reporter.reportNow().isAccepted)
      let body = try await reporting.oracle.journal.next().request.body
      let answer = try await post(body, to: reporting.url)
      #expect(answer.status == 409)
      let message = try JSON.parse(answer.body)["message"]?.stringValue ?? ""
      #expect(message.hasPrefix("Replay detected: timestamp \(Reporting.startTime) is not above"))
    }
  }

  @Test("A report that is older than the last accepted one is refused")
  func stale() async throws {
    try await withReporting { reporting in
      #expect(await reporting.reporter.reportNow().isAccepted)
      let payload = try DocumentedReport.Payload(
        agent: reporting.key.address, processedTokens: 1, averageLatencyMilliseconds: 1,
        uptimeSeconds: 1, tasksCompleted: 1, timestamp: Reporting.startTime - 1)
      let old = payload.signed(with: reporting.key).body.serialized()
      #expect(try await post(old, to: reporting.url).status == 409)
    }
  }

  @Test("An agent that is not registered on chain is refused, and the reporter hears why")
  func unregistered() async throws {
    let nobody = OracleConfiguration(registration: RegistrationCheck { _ in false })
    try await withReporting(nobody) { reporting in
      let failure = try #require(await reporting.reporter.reportNow().failure)
      #expect(failure.code == .refused && failure.status == 403)
      #expect(failure.reason?.contains("\(reporting.key.address) is not registered") == true)
    }
  }

  @Test(
    "A lost report loses no token",
    arguments: [
      Fault.Moment.beforeHandling, .beforeAnswer, .midBody(after: 5),
    ])
  func lostReport(moment: Fault.Moment) async throws {
    try await withReporting { reporting in
      reporting.collector.recordInference(tokens: 100, latency: .milliseconds(10))
      #expect(await reporting.reporter.reportNow().isAccepted)
      reporting.collector.recordInference(tokens: 50, latency: .milliseconds(10))
      reporting.faults.add(.drop(moment, .reset))
      #expect(await reporting.reporter.reportNow().isAccepted == false)
      reporting.collector.recordInference(tokens: 7, latency: .milliseconds(10))
      #expect(await reporting.reporter.reportNow().isAccepted)
      #expect(reporting.oracle.agent(reporting.key.address)?.processedTokens == 157)
    }
  }

  @Test("Proofs survive a failed report")
  func proofsSurvive() async throws {
    try await withReporting { reporting in
      let proof = InferenceProof(
        model: "bigscience/bloom-560m", input: "Explain", output: "It is",
        agent: reporting.key.address, tokenCount: 2)
      reporting.collector.recordProof(proof)
      reporting.faults.add(.status(502))
      #expect(await reporting.reporter.reportNow().proofCount == 1)
      #expect(reporting.collector.proofs.pending == [proof])
      #expect(await reporting.reporter.reportNow().proofCount == 1)
      #expect(reporting.collector.proofs.pending.isEmpty)
      #expect(
        reporting.oracle.proofs(of: reporting.key.address).map(\.outputHash)
          == [proof.outputHash.hex])
    }
  }

  @Test("Stopping sends a last report, above the one before even within the same second")
  func lastReport() async throws {
    try await withReporting { reporting in
      var outcomes = reporting.reporter.outcomes().makeAsyncIterator()
      try await reporting.reporter.start()
      try await reporting.clock.advanceToNextDeadline()
      #expect(await outcomes.next()?.isAccepted == true)
      reporting.collector.recordInference(tokens: 9, latency: .milliseconds(1))
      let last = try #require(await reporting.reporter.stop())
      #expect(last.isFinal && last.isAccepted)
      #expect(
        reporting.oracle.reports(of: reporting.key.address).map(\.timestamp)
          == [Reporting.startTime, Reporting.startTime + 1])
      #expect(reporting.oracle.agent(reporting.key.address)?.processedTokens == 9)
      #expect(reporting.clock.deadlines.isEmpty)
    }
  }
}
