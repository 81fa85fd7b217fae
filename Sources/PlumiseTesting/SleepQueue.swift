/// The sleepers and watchers of a manual clock: a pure state machine.
///
/// Each step returns the continuations to resume, so that they run after the lock was given back.
struct SleepQueue {
  typealias Instant = ManualClock.Instant
  typealias Continuation = CheckedContinuation<Void, any Error>

  /// A continuation to resume once the lock is free.
  struct Effect {
    let continuation: Continuation
    let result: Result<Void, any Error>
    /// The request that the sleeper held, by its number in the clock's monitor.
    var request: UInt64?
  }

  private struct Sleeper {
    let deadline: Instant
    let isInBackground: Bool
    let continuation: Continuation
    var request: UInt64?
  }

  private struct Watcher {
    let condition: @Sendable ([Instant]) -> Bool
    let continuation: Continuation
  }

  private(set) var now = Instant()
  private var hasEnded = false
  private var lastID = 0
  private var sleepers: [Int: Sleeper] = [:]
  private var watchers: [Int: Watcher] = [:]
  /// Tasks that have an id but do not sleep or watch yet, and whether they were cancelled.
  private var pending: [Int: Bool] = [:]

  var deadlines: [Instant] {
    sleepers.values.filter { !$0.isInBackground }.map(\.deadline).sorted()
  }

  /// What the clock shows, and who sleeps until when.
  var summary: String {
    let background = sleepers.values.filter(\.isInBackground).map(\.deadline).min()
    let listed = deadlines.prefix(8).map { "\($0.offset)" } + (deadlines.count > 8 ? ["…"] : [])
    return "the clock shows \(now.offset)\(hasEnded ? " and has ended" : "")"
      + (listed.isEmpty
        ? "; nobody sleeps on it" : "; sleepers wait until \(listed.joined(separator: ", "))")
      + (background.map { "; the next time limit of a server or a node is at \($0.offset)" } ?? "")
  }

  func isAsleep(_ id: Int) -> Bool { sleepers[id] != nil }

  /// Notes the request that a sleeper holds.
  mutating func hold(_ request: UInt64?, by id: Int) { sleepers[id]?.request = request }

  mutating func nextID() -> Int {
    lastID += 1
    pending[lastID] = false
    return lastID
  }

  mutating func sleep(
    _ id: Int, until deadline: Instant, inBackground: Bool, _ continuation: Continuation
  ) -> [Effect] {
    let wasCancelled = pending.removeValue(forKey: id) ?? false
    if wasCancelled || hasEnded { return [cancellation(continuation)] }
    if deadline <= now { return [Effect(continuation: continuation, result: .success(()))] }
    sleepers[id] = Sleeper(
      deadline: deadline, isInBackground: inBackground, continuation: continuation)
    return satisfiedWatchers()
  }

  mutating func watch(
    _ id: Int, _ condition: @escaping @Sendable ([Instant]) -> Bool, _ continuation: Continuation
  ) -> [Effect] {
    let wasCancelled = pending.removeValue(forKey: id) ?? false
    if wasCancelled || hasEnded { return [cancellation(continuation)] }
    watchers[id] = Watcher(condition: condition, continuation: continuation)
    return satisfiedWatchers()
  }

  mutating func cancel(_ id: Int) -> [Effect] {
    if let sleeper = sleepers.removeValue(forKey: id) {
      return [cancellation(sleeper.continuation, sleeper.request)] + satisfiedWatchers()
    }
    if let watcher = watchers.removeValue(forKey: id) {
      return [cancellation(watcher.continuation)]
    }
    if pending[id] != nil { pending[id] = true }
    return []
  }

  mutating func end() -> [Effect] {
    hasEnded = true
    let asleep = sleepers.mapValues { cancellation($0.continuation, $0.request) }
    let waiting = watchers.mapValues { cancellation($0.continuation) }
    (sleepers, watchers) = ([:], [:])
    return asleep.merging(waiting) { sleeper, _ in sleeper }
      .sorted { $0.key < $1.key }.map(\.value)
  }

  mutating func advance(by duration: Duration) -> [Effect] {
    now = now.advanced(by: duration)
    let due = sleepers.filter { $0.value.deadline <= now }
      .sorted { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }
    for sleeper in due { sleepers[sleeper.key] = nil }
    return due.map {
      Effect(
        continuation: $0.value.continuation, result: .success(()), request: $0.value.request)
    } + satisfiedWatchers()
  }

  mutating func advanceToNextDeadline() -> (Duration, [Effect]) {
    guard let next = deadlines.first, next > now else { return (.zero, []) }
    let step = now.duration(to: next)
    return (step, advance(by: step))
  }

  /// - Returns: nil when nobody sleeps until then, in the background or not.
  mutating func advanceToDeadline(until end: Instant) -> [Effect]? {
    guard let next = sleepers.values.map(\.deadline).min(), next <= end else { return nil }
    return advance(by: max(.zero, now.duration(to: next)))
  }

  private mutating func satisfiedWatchers() -> [Effect] {
    guard !watchers.isEmpty else { return [] }
    let seen = deadlines
    let ready = watchers.filter { $0.value.condition(seen) }.sorted { $0.key < $1.key }
    for watcher in ready { watchers[watcher.key] = nil }
    return ready.map { Effect(continuation: $0.value.continuation, result: .success(())) }
  }

  private func cancellation(_ continuation: Continuation, _ request: UInt64? = nil) -> Effect {
    Effect(
      continuation: continuation, result: .failure(CancellationError()), request: request)
  }
}
