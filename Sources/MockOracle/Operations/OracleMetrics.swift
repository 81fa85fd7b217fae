import MockServing
import PlumiseWire
import Synchronization

/// Counts what the oracle does, and prints it for Prometheus (text format 0.0.4).
///
/// Routes are counted by their templates, and what is no route as one, so that no peer can make the
/// oracle hold ever more names.
final class OracleMetrics: Sendable {
  private struct RouteKey: Hashable {
    let route: String
    let method: String
    let status: Int
  }

  private struct State {
    var requests: [RouteKey: Int] = [:]
    var refusals: [String: Int] = [:]
    var accepted: [ReportDialect: Int] = [:]
    var registrations = 0
    var seconds = 0.0
    /// How many answers took at most so long, by ``bounds``, and how many longer.
    var buckets = [Int](repeating: 0, count: OracleMetrics.bounds.count + 1)
  }

  private static let bounds = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.1, 1, 10]

  private let state = Mutex(State())

  func count(_ entry: OracleEntry, route: String?, method: String, took: Duration) {
    let seconds = took / .seconds(1)
    let bucket = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
    state.withLock { state in
      let key = RouteKey(
        route: route ?? "none", method: route == nil ? "any" : method, status: entry.status)
      state.requests[key, default: 0] += 1
      state.seconds += seconds
      state.buckets[bucket] += 1
      switch entry.outcome {
      case .accepted(let report): state.accepted[report.dialect, default: 0] += 1
      case .registered: state.registrations += 1
      case .refused(let refusal): state.refusals[refusal.name, default: 0] += 1
      case .served, .unknownRoute: break
      }
    }
  }

  /// The text of the exposition.
  /// - Parameters:
  ///   - agents: how many agents reported.
  ///   - journal: the journal, for its sizes.
  func text(agents: Int, journal: Journal<OracleEntry>) -> String {
    let state = state.withLock { $0 }
    var text = MetricsText()
    text.family("oracle_requests_total", "counter", "Requests by route and status.") {
      state.requests.sorted { ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status) }.map {
        (
          [
            ("route", $0.key.route), ("method", $0.key.method), ("status", String($0.key.status)),
          ], Double($0.value)
        )
      }
    }
    text.family("oracle_reports_accepted_total", "counter", "Reports taken, by dialect.") {
      ReportDialect.allCases.map {
        ([("dialect", $0.rawValue)], Double(state.accepted[$0] ?? 0))
      }
    }
    text.family("oracle_refusals_total", "counter", "Reports and registrations not taken.") {
      state.refusals.sorted { $0.key < $1.key }.map { ([("reason", $0.key)], Double($0.value)) }
    }
    text.family("oracle_registrations_total", "counter", "Registrations taken.") {
      [([], Double(state.registrations))]
    }
    text.family("oracle_agents", "gauge", "Agents that reported.") { [([], Double(agents))] }
    text.family("oracle_journal_recorded_total", "counter", "Entries that the journal was given.") {
      [([], Double(journal.count))]
    }
    text.family("oracle_journal_entries", "gauge", "Entries that the journal holds.") {
      [([], Double(journal.keptCount))]
    }
    text.family("oracle_journal_bytes", "gauge", "About how many bytes they take.") {
      [([], Double(journal.byteCount))]
    }
    text.histogram(
      "oracle_request_seconds", "How long answers took.", bounds: Self.bounds,
      counts: state.buckets, sum: state.seconds)
    return text.text
  }
}

/// Writes metrics in Prometheus' text format.
private struct MetricsText {
  private(set) var text = ""

  mutating func family(
    _ name: String, _ type: String, _ help: String,
    _ samples: () -> [(labels: [(String, String)], value: Double)]
  ) {
    head(name, type, help)
    for sample in samples() { line(name, sample.labels, sample.value) }
  }

  mutating func histogram(
    _ name: String, _ help: String, bounds: [Double], counts: [Int], sum: Double
  ) {
    head(name, "histogram", help)
    var total = 0
    for (index, count) in counts.enumerated() {
      total += count
      let bound = index < bounds.count ? "\(bounds[index])" : "+Inf"
      line(name + "_bucket", [("le", bound)], Double(total))
    }
    line(name + "_sum", [], sum)
    line(name + "_count", [], Double(total))
  }

  private mutating func head(_ name: String, _ type: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
  }

  private mutating func line(_ name: String, _ labels: [(String, String)], _ value: Double) {
    let inside = labels.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",")
    let number = Int(exactly: value).map(String.init) ?? "\(value)"
    text += name + (inside.isEmpty ? "" : "{\(inside)}") + " \(number)\n"
  }
}

extension RejectionReason {
  /// A short name for each reason, for counting and for logs.
  public var name: String {
    switch self {
    case .tooLarge: "too_large"
    case .unsupportedMedia: "unsupported_media"
    case .undecodable: "undecodable"
    case .tooManyParameters: "too_many_parameters"
    case .malformed: "malformed"
    case .invalid: "invalid"
    case .wrongAPIKey: "wrong_api_key"
    case .wrongSigner: "wrong_signer"
    case .malformedSignature: "malformed_signature"
    case .outsideWindow: "outside_window"
    case .unregistered: "unregistered"
    case .registrationUnknown: "registration_unknown"
    case .epochUnknown: "epoch_unknown"
    case .replay, .registrationReplay: "replay"
    case .tooManyTokens: "too_many_tokens"
    case .notWhole: "not_whole"
    case .notStored: "not_stored"
    case .sameEndpoints: "same_endpoints"
    case .pipelineFull: "pipeline_full"
    case .pipelineNodeNotFound: "pipeline_node_not_found"
    case .sponsoringFailed: "sponsoring_failed"
    case .sponsoringIneffective: "sponsoring_ineffective"
    case .tooManyReports: "too_many_reports"
    }
  }
}
