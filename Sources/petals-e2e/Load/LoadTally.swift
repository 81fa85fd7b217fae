import InferenceMetrics
import PlumiseWire
import Synchronization

/// How the requests of a load test ended.
final class LoadTally: Sendable {
  private struct State {
    var sent = 0
    var ended = 0
    var latencies = LatencyHistogram()
    var failures: [String: Int] = [:]
  }

  /// More kinds of failure than this are counted together.
  private static let kinds = 20

  private let state = Mutex(State())

  /// Requests that are on their way.
  var inFlight: Int { state.withLock { $0.sent - $0.ended } }

  func send() { state.withLock { $0.sent += 1 } }

  /// - Parameters:
  ///   - latency: from the moment at which the request was due.
  ///   - failure: why it failed, or nil.
  func end(after latency: Duration, failure: String?) {
    state.withLock { state in
      state.ended += 1
      guard let failure else { return state.latencies.record(latency) }
      let isKnown = state.failures[failure] != nil || state.failures.count < Self.kinds
      state.failures[isKnown ? failure : "other failures", default: 0] += 1
    }
  }

  /// What came of it.
  /// - Parameter elapsed: from the first request to the last answer.
  func report(elapsed: Duration) -> LoadReport {
    state.withLock { state in
      LoadReport(
        sent: state.sent, succeeded: Int(state.latencies.total), elapsed: elapsed,
        percentiles: [0.5, 0.9, 0.99, 1].map { state.latencies.percentile($0) },
        failures: state.failures.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
          .map { ($0.key, $0.value) })
    }
  }
}
