import Foundation
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

/// Sends the requests of a load, and records the outcome of each.
///
/// In an open loop each target has arrivals of its own at its share of the rate, and a request's
/// latency counts from the moment at which it was due, so that the requests that wait for a stalled
/// service count as well (no coordinated omission). In a closed loop the users' requests go to the
/// targets in turn, by their shares.
final class LoadRun: Sendable {
  /// Requests on their way beyond this are not sent but counted as failures.
  static let maximumInFlight = 20_000
  /// The longest time in which a stop is not noticed.
  private static let attention = Duration.milliseconds(100)

  private struct State {
    var inFlight = 0
    var isStopped = false
    /// Of all requests.
    var nextIndex = 0
    /// Of those of each target.
    var nextOfStream: [Int]
    var turns: WeightedTurns
  }

  let streams: [LoadStream]
  let loop: LoadLoop
  private let onRecord: @Sendable (LoadRecord) -> Void
  private let state: Mutex<State>
  private let clock = ContinuousClock()

  /// - Parameters:
  ///   - streams: The targets; at least one.
  ///   - loop: How requests follow one another.
  ///   - onRecord: Gets the record of each request when it has ended.
  init(
    _ streams: [LoadStream], loop: LoadLoop, onRecord: @escaping @Sendable (LoadRecord) -> Void
  ) {
    self.streams = streams
    self.loop = loop
    self.onRecord = onRecord
    state = Mutex(
      State(
        nextOfStream: streams.map { _ in 0 }, turns: WeightedTurns(streams.map(\.share))))
  }

  /// How many requests are on their way.
  var inFlight: Int { state.withLock { $0.inFlight } }

  /// Sends no more requests; what is on its way is waited for.
  func stop() { state.withLock { $0.isStopped = true } }

  /// Sends all, and waits for the last answer.
  ///
  /// A task that is cancelled gives up what is on its way, too.
  /// - Returns: The seconds to the last answer.
  func run() async -> Double {
    let start = clock.now
    switch loop {
    case .open(let arrivals, let stages, let shape, let seed):
      await withDiscardingTaskGroup { group in
        for (index, stream) in streams.enumerated() {
          let times = ArrivalTimes(
            arrivals, stages.map { $0.scaled(by: stream.share) }, shape: shape,
            seed: seed &+ UInt64(index))
          group.addTask { await self.runOpen(index, times, start) }
        }
      }
    case .closed(let users, let seconds):
      await withDiscardingTaskGroup { group in
        for _ in 0..<users { group.addTask { await self.runUser(seconds, start) } }
      }
    }
    return (clock.now - start) / .seconds(1)
  }

  private func runOpen(
    _ stream: Int, _ times: ArrivalTimes, _ start: ContinuousClock.Instant
  ) async {
    await withDiscardingTaskGroup { group in
      for due in times {
        guard await wait(until: start + .seconds(due)) else { return }
        let index = state.withLock { state -> (all: Int, isSent: Bool) in
          defer { state.nextIndex += 1 }
          return (state.nextIndex, state.inFlight < Self.maximumInFlight)
        }
        guard index.isSent else {
          var record = LoadRecord(index: index.all, stream: stream, due: due, sent: due, end: due)
          record.failure = "not sent: \(Self.maximumInFlight) were on their way"
          onRecord(record)
          continue
        }
        let own = begin(stream)
        group.addTask { await self.send(index.all, own, to: stream, due: due, start) }
      }
    }
  }

  /// - Returns: Whether the moment came before a stop.
  private func wait(until moment: ContinuousClock.Instant) async -> Bool {
    while true {
      if Task.isCancelled || state.withLock({ $0.isStopped }) { return false }
      let now = clock.now
      if now >= moment { return true }
      do {
        try await clock.sleep(until: min(moment, now + Self.attention))
      } catch {
        return false
      }
    }
  }

  private func runUser(_ seconds: Double, _ start: ContinuousClock.Instant) async {
    while !Task.isCancelled, (clock.now - start) / .seconds(1) < seconds {
      let next = state.withLock { state -> (all: Int, stream: Int)? in
        if state.isStopped { return nil }
        defer { state.nextIndex += 1 }
        return (state.nextIndex, state.turns.next())
      }
      guard let next else { return }
      let own = begin(next.stream)
      await send(next.all, own, to: next.stream, due: nil, start)
    }
  }

  /// Counts a request that is about to be sent.
  /// - Returns: Its index among those of its target.
  private func begin(_ stream: Int) -> Int {
    state.withLock { state in
      state.inFlight += 1
      defer { state.nextOfStream[stream] += 1 }
      return state.nextOfStream[stream]
    }
  }

  /// - Parameter due: When it was to be sent; nil for as soon as it is made.
  private func send(
    _ index: Int, _ own: Int, to stream: Int, due: Double?, _ start: ContinuousClock.Instant
  ) async {
    let (target, workload) = (streams[stream].target, streams[stream].workload)
    let now = (clock.now - start) / .seconds(1)
    let request = Result { try workload.request(own, due: due ?? now) }
    let sent = (clock.now - start) / .seconds(1)
    var record = LoadRecord(
      index: index, stream: stream, due: due ?? sent, sent: sent, end: sent)
    do {
      let request = try request.get()
      record.promptTokens = request.promptTokens
      record.newTokens = request.newTokens
      let answer = try await target.send(request)
      record.end = (clock.now - start) / .seconds(1)
      record.tokens = answer.tokens.map { ($0 - start) / .seconds(1) }
      let reason = workload.failureReason(status: answer.status, body: answer.body)
      record.failure = reason?.singleLine
      if record.isGood {
        record.tokenCount = max(answer.tokens.count, workload.tokens(in: answer.body))
      }
    } catch {
      record.end = (clock.now - start) / .seconds(1)
      record.failure = "\(error)".singleLine
    }
    state.withLock { $0.inFlight -= 1 }
    onRecord(record)
  }
}

/// Takes turns by weight, spread as evenly as can be: nginx's smooth weighted round robin.
package struct WeightedTurns: Sendable {
  private let weights: [Double]
  private var credits: [Double]

  /// - Parameter weights: At least one, all above zero.
  package init(_ weights: [Double]) {
    self.weights = weights
    credits = weights.map { _ in 0 }
  }

  /// Whose turn it is.
  package mutating func next() -> Int {
    var best = 0
    for index in weights.indices {
      credits[index] += weights[index]
      if credits[index] > credits[best] { best = index }
    }
    credits[best] -= weights.reduce(0, +)
    return best
  }
}

/// The requests of a load that have ended.
final class LoadRecords: Sendable {
  private let records = Mutex<[LoadRecord]>([])

  func add(_ record: LoadRecord) { records.withLock { $0.append(record) } }

  /// In the order in which they were due.
  var sorted: [LoadRecord] {
    records.withLock { $0 }.sorted { ($0.due, $0.index) < ($1.due, $1.index) }
  }
}
