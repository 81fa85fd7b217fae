import EthereumPrimitives
import InferenceMetrics
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire
import TestSupport

/// An oracle that is served, and a reporter on a test's clock that reports to it over HTTP.
struct Reporting: Sendable {
  /// What the time of day is in these tests; it stands still.
  static let startTime: Int64 = 1_770_200_000

  let oracle: MockOracle
  let url: String
  let faults: FaultScript
  let clock: ManualClock
  let collector: MetricsCollector
  let key: SecretKey
  let reporter: OracleReporter

  /// A reporter of nothing in particular.
  static func reporter(
    to url: String, key: SecretKey, collector: MetricsCollector = MetricsCollector(),
    clock: any Clock<Duration> = ContinuousClock()
  ) throws -> OracleReporter {
    OracleReporter(
      configuration: try ReporterConfiguration(oracleURL: url), key: key, collector: collector,
      clock: clock, unixClock: UnixClock { .seconds(startTime) })
  }

  /// The inferences of the reference suite: 600 tokens in 3 tasks, 100 ms on average.
  func recordReferenceInferences() {
    for (tokens, milliseconds) in [(100, 50), (200, 100), (300, 150)] {
      collector.recordInference(tokens: tokens, latency: .milliseconds(milliseconds))
    }
  }

  /// The body of the first report that reached the oracle.
  func receivedBody() async throws -> JSON {
    try JSON.parse(try await oracle.journal.next().request.body)
  }
}

/// Runs a body with a fresh oracle and a reporter that reports to it.
func withReporting<R: Sendable>(
  _ configuration: OracleConfiguration = OracleConfiguration(),
  _ body: (Reporting) async throws -> R
) async throws -> R {
  let faults = FaultScript()
  return try await MockOracle.withServer(configuration, faults: faults) { oracle, address in
    let clock = ManualClock()
    let collector = MetricsCollector(clock: clock)
    let key = SecretKey.random()
    let reporter = try Reporting.reporter(
      to: address.url, key: key, collector: collector, clock: clock)
    return try await body(
      Reporting(
        oracle: oracle, url: address.url, faults: faults, clock: clock, collector: collector,
        key: key, reporter: reporter))
  }
}

/// Posts a report's body to an oracle as it is, without a reporter.
func post(_ body: [UInt8], to url: String) async throws -> FetchedAnswer {
  try await fetch(url + DocumentedReport.path, "POST", body: body)
}
