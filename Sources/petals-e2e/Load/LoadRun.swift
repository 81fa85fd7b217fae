import Foundation
import PlumiseWire
import Synchronization

/// How the requests of a load follow one another.
enum LoadLoop: Sendable {
  /// At times of their own, whatever becomes of earlier ones.
  case open(Arrivals, [LoadStage], shape: Double, seed: UInt64)
  /// So many users, each of whom sends the next request after the answer to the one before.
  case closed(users: Int, seconds: Double)

  /// How long requests are due, in seconds.
  var seconds: Double {
    switch self {
    case .open(_, let stages, _, _): stages.reduce(0) { $0 + $1.seconds }
    case .closed(_, let seconds): seconds
    }
  }
}

/// Sends the requests of a load, and notes what becomes of each.
///
/// In an open loop a request's latency counts from the moment at which it was due, so that the requests that
/// wait for a stalled service count as well (no coordinated omission).
struct LoadRun: Sendable {
  /// Requests on their way beyond this are not sent but counted as failures.
  static let maximumInFlight = 20_000

  let target: LoadTarget
  let workload: any Workload
  let loop: LoadLoop
  private let notes = LoadNotes()
  private let clock = ContinuousClock()

  init(target: LoadTarget, workload: any Workload, loop: LoadLoop) {
    self.target = target
    self.workload = workload
    self.loop = loop
  }

  /// Sends all, and waits for the last answer; a cancelled task sends no more.
  /// - Parameter progress: told of the share of the time that has passed.
  /// - Returns: every request, in the order in which they were due, and the time to the last answer.
  func run(
    progress: @escaping @Sendable (Double) -> Void
  ) async -> (records: [LoadRecord], elapsed: Double) {
    let start = clock.now
    switch loop {
    case .open(let arrivals, let stages, let shape, let seed):
      let times = ArrivalTimes(arrivals, stages, shape: shape, seed: seed)
      await runOpen(times, from: start, progress)
    case .closed(let users, let seconds):
      await runClosed(users, seconds, from: start, progress)
    }
    return (notes.records, (clock.now - start) / .seconds(1))
  }

  private func runOpen(
    _ times: ArrivalTimes, from start: ContinuousClock.Instant, _ progress: (Double) -> Void
  ) async {
    let total = loop.seconds
    await withDiscardingTaskGroup { group in
      for (index, due) in times.enumerated() {
        let moment = start + .seconds(due)
        do {
          if clock.now < moment { try await clock.sleep(until: moment) }
          try Task.checkCancellation()
        } catch {
          return
        }
        progress(due / total)
        guard notes.begin() <= Self.maximumInFlight else {
          var record = LoadRecord(index: index, due: due, sent: due, end: due)
          record.failure = "not sent: \(Self.maximumInFlight) were on their way"
          notes.end(record)
          continue
        }
        group.addTask { await send(index, due: due, start) }
      }
    }
  }

  private func runClosed(
    _ users: Int, _ seconds: Double, from start: ContinuousClock.Instant,
    _ progress: @escaping @Sendable (Double) -> Void
  ) async {
    await withDiscardingTaskGroup { group in
      for _ in 0..<users {
        group.addTask {
          while !Task.isCancelled {
            let now = (clock.now - start) / .seconds(1)
            guard now < seconds else { return }
            progress(now / seconds)
            _ = notes.begin()
            await send(notes.takeIndex(), due: now, start)
          }
        }
      }
    }
  }

  private func send(_ index: Int, due: Double, _ start: ContinuousClock.Instant) async {
    let sent = (clock.now - start) / .seconds(1)
    var record = LoadRecord(index: index, due: due, sent: sent, end: sent)
    do {
      let answer = try await target.send(try workload.request(index))
      record.tokens = answer.tokens.map { ($0 - start) / .seconds(1) }
      record.failure = workload.failureReason(status: answer.status, body: answer.body)
    } catch {
      record.failure = "\(error)".singleLine
    }
    record.end = (clock.now - start) / .seconds(1)
    notes.end(record)
  }
}

/// The requests of a load that have ended, and how many have not.
private final class LoadNotes: Sendable {
  private struct State {
    var inFlight = 0
    var nextIndex = 0
    var records: [LoadRecord] = []
  }

  private let state = Mutex(State())

  /// In the order in which they were due.
  var records: [LoadRecord] {
    state.withLock { $0.records }.sorted { ($0.due, $0.index) < ($1.due, $1.index) }
  }

  /// - Returns: how many requests are on their way, this one counted.
  func begin() -> Int {
    state.withLock { state in
      state.inFlight += 1
      return state.inFlight
    }
  }

  /// The index of the next request of any user.
  func takeIndex() -> Int {
    state.withLock { state in
      defer { state.nextIndex += 1 }
      return state.nextIndex
    }
  }

  func end(_ record: LoadRecord) {
    state.withLock { state in
      state.inFlight -= 1
      state.records.append(record)
    }
  }
}
