import EthereumPrimitives
import InferenceMetrics
import Logging
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire

/// A reporter on a test's clock, and everything that it reports with.
struct Reporting {
  let reporter: OracleReporter
  let collector: MetricsCollector
  let clock = ManualClock()
  let time = TestTime(1_770_200_000)
  let key: SecretKey

  init(
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
      logger: logger ?? Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  /// A reporter whose oracle is in the same process.
  init(to oracle: MockOracle, dialect: ReportDialect = .documented, logger: Logger? = nil) throws {
    try self.init(
      to: "http://oracle.test", dialect: dialect, transport: InMemoryReportTransport(oracle),
      logger: logger)
  }

  /// Lets one interval pass.
  func nextInterval() async throws { try await clock.advanceToNextDeadline() }

  func proof(_ number: Int, tokens: Int64 = 5) -> InferenceProof {
    InferenceProof(
      model: "m", input: "input \(number)", output: "output", agent: key.address,
      tokenCount: tokens)
  }
}

extension InMemoryReportTransport {
  /// A transport whose other end is an oracle in the same process.
  init(_ oracle: MockOracle) {
    self.init { request in
      let path = String(request.url.dropFirst("http://oracle.test".count))
      let response = await oracle.respond(to: WebRequest(.post, path, body: request.body))
      return ReportAnswer(status: response.status.code, body: response.body)
    }
  }

  /// A transport that gives one answer to everything.
  init(status: Int, body: String, retryAfter: Duration? = nil) {
    self.init { _ in
      ReportAnswer(status: status, retryAfter: retryAfter, body: Array(body.utf8))
    }
  }
}
