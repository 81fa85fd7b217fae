/// Who sleeps on a manual clock and who watches it: a pure state machine.
///
/// Each step returns the continuations to resume, so that they run after the lock was given back.
struct SleepQueue {
  typealias Instant = ManualClock.Instant
  typealias Continuation = CheckedContinuation<Void, any Error>

  /// A continuation to resume once the lock is free.
  struct Effect {
    let continuation: Continuation
    let result: Result<Void, any Error>
  }

  private struct Watcher {
    let condition: @Sendable ([Instant]) -> Bool
    let continuation: Continuation
  }

  private(set) var now = Instant()
  private var lastID = 0
  private var sleepers: [Int: (deadline: Instant, continuation: Continuation)] = [:]
  private var watchers: [Int: Watcher] = [:]
  /// Tasks that have a number but do not sleep or watch yet, and which of them were cancelled.
  private var onTheirWay: [Int: Bool] = [:]

  var deadlines: [Instant] { sleepers.values.map(\.deadline).sorted() }

  mutating func nextID() -> Int {
    lastID += 1
    onTheirWay[lastID] = false
    return lastID
  }

  mutating func sleep(_ id: Int, until deadline: Instant, _ continuation: Continuation) -> [Effect]
  {
    if onTheirWay.removeValue(forKey: id) == true { return [refusal(continuation)] }
    if deadline <= now { return [Effect(continuation: continuation, result: .success(()))] }
    sleepers[id] = (deadline, continuation)
    return satisfiedWatchers()
  }

  mutating func watch(
    _ id: Int, _ condition: @escaping @Sendable ([Instant]) -> Bool, _ continuation: Continuation
  ) -> [Effect] {
    if onTheirWay.removeValue(forKey: id) == true { return [refusal(continuation)] }
    watchers[id] = Watcher(condition: condition, continuation: continuation)
    return satisfiedWatchers()
  }

  mutating func cancel(_ id: Int) -> [Effect] {
    if let sleeper = sleepers.removeValue(forKey: id) {
      return [refusal(sleeper.continuation)] + satisfiedWatchers()
    }
    if let watcher = watchers.removeValue(forKey: id) { return [refusal(watcher.continuation)] }
    if onTheirWay[id] != nil { onTheirWay[id] = true }
    return []
  }

  mutating func advance(by duration: Duration) -> [Effect] {
    now = now.advanced(by: duration)
    let due = sleepers.filter { $0.value.deadline <= now }
      .sorted { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }
    for sleeper in due { sleepers[sleeper.key] = nil }
    return due.map { Effect(continuation: $0.value.continuation, result: .success(())) }
      + satisfiedWatchers()
  }

  mutating func advanceToNextDeadline() -> (Duration, [Effect]) {
    guard let next = deadlines.first, next > now else { return (.zero, []) }
    let step = now.duration(to: next)
    return (step, advance(by: step))
  }

  private mutating func satisfiedWatchers() -> [Effect] {
    let seen = deadlines
    let ready = watchers.filter { $0.value.condition(seen) }.sorted { $0.key < $1.key }
    for watcher in ready { watchers[watcher.key] = nil }
    return ready.map { Effect(continuation: $0.value.continuation, result: .success(())) }
  }

  private func refusal(_ continuation: Continuation) -> Effect {
    Effect(continuation: continuation, result: .failure(CancellationError()))
  }
}
