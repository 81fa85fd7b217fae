import Foundation
import InferenceMetrics
import PlumiseWire
import Synchronization

/// Sends requests at a constant rate, without waiting for earlier responses (open loop).
///
/// A request's latency counts from the moment at which it was due, so that the requests that wait
/// for a stalled service count as well (no coordinated omission).
struct LoadRun: Sendable {
  /// Requests on their way beyond this are not sent but counted as failures.
  static let maximumInFlight = 20_000

  let target: LoadTarget
  let workload: any Workload
  /// Requests a second.
  let rate: Double
  let count: Int
  let tally = LoadTally()

  /// Sends all, and waits for the last answer; a cancelled task sends no more.
  /// - Parameter progress: told of the share that was sent.
  func run(progress: @Sendable (Double) -> Void) async -> LoadReport {
    let clock = ContinuousClock()
    let start = clock.now
    await withDiscardingTaskGroup { group in
      for index in 0..<count {
        let due = start + .seconds(Double(index) / rate)
        do {
          if clock.now < due { try await clock.sleep(until: due) }
        } catch {
          return
        }
        tally.send()
        progress(Double(index + 1) / Double(count))
        guard tally.inFlight <= Self.maximumInFlight else {
          tally.end(after: .zero, failure: "not sent: \(Self.maximumInFlight) were on their way")
          continue
        }
        group.addTask { await send(index, due: due, clock) }
      }
    }
    return tally.report(elapsed: clock.now - start)
  }

  private func send(_ index: Int, due: ContinuousClock.Instant, _ clock: ContinuousClock) async {
    let failure: String?
    do {
      let answer = try await target.send(try workload.request(index))
      failure = workload.failureReason(status: answer.status, body: answer.body)
    } catch {
      failure = "\(error)".singleLine
    }
    tally.end(after: clock.now - due, failure: failure)
  }
}

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

/// The figures of a load test.
struct LoadReport: Sendable {
  let sent: Int
  let succeeded: Int
  let elapsed: Duration
  /// Of the successes at 50, 90, 99 and 100 %; nil when there was none.
  let percentiles: [Duration?]
  /// Reasons with their counts, the most frequent first.
  let failures: [(reason: String, count: Int)]

  private static let names = ["p50", "p90", "p99", "max"]

  /// Successful requests a second.
  var rate: Double { Double(succeeded) / max(elapsed / .seconds(1), .leastNormalMagnitude) }

  var json: JSON {
    [
      "sent": .integer(sent), "succeeded": .integer(succeeded),
      "seconds": .seconds(elapsed), "per_second": .decimal(rate, places: 1),
      "latency_ms": .object(
        JSONObject(
          uniqueMembers: zip(Self.names, percentiles).map {
            ($0, $1.map(JSON.milliseconds) ?? .null)
          })),
      "failures": .array(
        failures.map { ["reason": .string($0.reason), "count": .integer($0.count)] }),
    ]
  }

  var text: String {
    let latencies = zip(Self.names, percentiles).map { name, value in
      "\(name) \(value.map { Self.number($0 / .milliseconds(1)) } ?? "–")"
    }
    let lines = [
      "\(succeeded) of \(sent) succeeded in \(Self.number(elapsed / .seconds(1))) s, "
        + "\(Self.number(rate)) a second",
      "latency in ms: " + latencies.joined(separator: "  "),
    ]
    return (lines + failures.map { "\($0.count) × \($0.reason)" }).joined(separator: "\n")
  }

  private static func number(_ value: Double) -> String {
    value.formatted(.number.precision(.significantDigits(1...4)).grouping(.never))
  }
}
