package import EthereumPrimitives
import HTTPTypes
package import InferenceMetrics
package import Logging
package import MockOracle
import MockServing
package import OracleReporter
package import PlumiseTesting
package import PlumiseWire
import Synchronization

/// A reporter on a test's clock, and everything that it reports with.
package struct ReporterFixture {
  package let reporter: OracleReporter
  package let collector: MetricsCollector
  package let clock = ManualClock()
  package let time = TestTime(1_770_200_000)
  package let key: SecretKey

  package init(
    to url: String, dialect: ReportDialect = .documented, interval: Duration = .seconds(60),
    retry: RetryPolicy = RetryPolicy(),
    transport: any ReportTransport = HTTPReportTransport(), proofs: ProofBuffer = ProofBuffer(),
    logger: Logger? = nil
  ) throws {
    key = try testKey()
    collector = MetricsCollector(clock: clock, proofs: proofs)
    reporter = OracleReporter(
      configuration: try ReporterConfiguration(
        oracleURL: url, interval: interval, dialect: dialect, retry: retry),
      key: key, collector: collector, transport: transport, clock: clock,
      unixClock: time.clock,
      logger: logger ?? .quiet)
  }

  /// A reporter whose oracle is in the same process.
  package init(
    to oracle: MockOracle, dialect: ReportDialect = .documented, logger: Logger? = nil
  ) throws {
    try self.init(
      to: "http://oracle.test", dialect: dialect, transport: InMemoryReportTransport(oracle),
      logger: logger)
  }

  /// Lets one interval pass.
  package func nextInterval() async throws { try await clock.advanceToNextDeadline() }

  package func proof(_ number: Int, tokens: Int64 = 5) -> InferenceProof {
    InferenceProof(
      model: "m", input: "input \(number)", output: "output", agent: key.address,
      tokenCount: tokens)
  }
}

extension InMemoryReportTransport {
  /// A transport whose other end is an oracle in the same process.
  package init(_ oracle: MockOracle) {
    self.init { request in
      let path = String(request.url.dropFirst("http://oracle.test".count))
      let response = await oracle.respond(
        to: WebRequest(
          .post, path, headers: [.contentType: "application/json"], body: request.body))
      return ReportAnswer(status: response.status.code, body: response.body)
    }
  }

  /// A transport that gives one answer to everything.
  package init(status: Int, body: String, retryAfter: Duration? = nil) {
    self.init { _ in
      ReportAnswer(status: status, retryAfter: retryAfter, body: Array(body.utf8))
    }
  }
}

/// An oracle in the same process whose answers, or whose requests, can be lost on the way.
package final class LossyOracle: Sendable {
  package enum Loss: Sendable { case request, answer }
  package struct Lost: Error {}

  package let oracle: MockOracle
  private let losses = Mutex<[Loss]>([])

  package init(_ oracle: MockOracle) { self.oracle = oracle }

  package func lose(_ losses: Loss...) { self.losses.withLock { $0 += losses } }

  package var transport: InMemoryReportTransport {
    InMemoryReportTransport { request in
      let loss = self.losses.withLock { $0.isEmpty ? nil : $0.removeFirst() }
      if loss == .request { throw Lost() }
      let answer = try await InMemoryReportTransport(self.oracle).post(request)
      if loss == .answer { throw Lost() }
      return answer
    }
  }

  /// The input hashes of all proofs of accepted reports, as often as they came.
  package var reportedProofs: [String] {
    oracle.journal.entries.compactMap(\.accepted).flatMap { $0.proofs.map(\.inputHash) }
  }
}
