import Foundation
import Synchronization

/// Gathers what a soak measures, in memory that grows with its samples and not with its requests.
final class SoakRecorder: Sendable {
  /// What is known of one target.
  struct Target: Sendable {
    var sent = 0
    var failed = 0
    var tokens = 0
    /// Of the whole soak after the warm-up.
    var latencies = LatencyHistogram()
    /// Reasons with their counts; the twenty-first and later ones are counted together.
    var failures: [String: Int] = [:]
    /// Since the last sample.
    fileprivate var latest = LatencyHistogram()
    /// At each sample: the time, and the latencies since the one before.
    fileprivate(set) var medians: [(time: Double, value: Double)] = []
    fileprivate(set) var p99s: [(time: Double, value: Double)] = []
  }

  /// What is known of one process.
  struct Process: Sendable {
    let name: String
    let id: Int32
    fileprivate(set) var samples: [(time: Double, sample: ProcessSample)] = []
    /// When it was found to be gone; nil while it runs.
    fileprivate(set) var goneAfter: Double?
  }

  private struct State {
    var targets: [Target]
    var processes: [Process]
  }

  private static let kinds = 20

  private let warmUp: Double
  private let state: Mutex<State>

  init(targets: Int, processes: [(name: String, id: Int32)], warmUp: Double) {
    self.warmUp = warmUp
    state = Mutex(
      State(
        targets: (0..<targets).map { _ in Target() },
        processes: processes.map { Process(name: $0.name, id: $0.id) }))
  }

  var targets: [Target] { state.withLock { $0.targets } }
  var processes: [Process] { state.withLock { $0.processes } }

  /// Counts a request that has ended.
  func add(_ record: LoadRecord) {
    let milliseconds = record.value(.e2el) ?? 0
    let isCounted = record.due >= warmUp
    state.withLock { state in
      if record.isGood { state.targets[record.stream].latest.record(milliseconds) }
      guard isCounted else { return }
      state.targets[record.stream].sent += 1
      state.targets[record.stream].tokens += record.tokenCount
      guard let failure = record.failure else {
        return state.targets[record.stream].latencies.record(milliseconds)
      }
      state.targets[record.stream].failed += 1
      let known = state.targets[record.stream].failures
      let isKnown = known[failure] != nil || known.count < Self.kinds
      state.targets[record.stream].failures[isKnown ? failure : "other failures", default: 0] += 1
    }
  }

  /// Samples every process, and the latencies since the last time.
  /// - Parameter time: Seconds since the beginning.
  func sample(at time: Double) {
    let ids = state.withLock { $0.processes.map(\.id) }
    let samples = ids.map { ProcessSample(process: $0) }
    state.withLock { state in
      for (index, sample) in samples.enumerated() {
        if let sample {
          state.processes[index].samples.append((time, sample))
        } else if state.processes[index].goneAfter == nil {
          state.processes[index].goneAfter = time
        }
      }
      for index in state.targets.indices {
        if let median = state.targets[index].latest.percentile(0.5),
          let late = state.targets[index].latest.percentile(0.99)
        {
          state.targets[index].medians.append((time, median))
          state.targets[index].p99s.append((time, late))
        }
        state.targets[index].latest = LatencyHistogram()
      }
    }
  }
}
