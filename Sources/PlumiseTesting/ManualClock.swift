import Synchronization

/// A clock that a test moves by hand.
///
/// Every interval, deadline and retry of this package takes a clock; with this one a test decides
/// when each of them is over. A test never waits for time; it waits until a task *sleeps*:
///
/// ```swift
/// let clock = ManualClock()
/// let nap = Task { try await clock.sleep(for: .seconds(60)) }
/// try await clock.advanceToNextDeadline()  // waits for the sleeper, then wakes it
/// try await nap.value
/// ```
///
/// A network that is cancelled ends its clock with ``end()``: whoever sleeps on it, then or later, gets
/// a `CancellationError`, so that nothing waits for a test that will not move it any more.
public final class ManualClock: Clock, Sendable {
  /// A moment of a manual clock: the time since the clock was made.
  public struct Instant: InstantProtocol {
    /// The time since the clock was made.
    public var offset: Duration

    /// Creates the moment that is `offset` after the clock's beginning.
    public init(offset: Duration = .zero) { self.offset = offset }

    /// The moment that is `duration` after this one.
    public func advanced(by duration: Duration) -> Instant {
      Instant(offset: offset + duration)
    }

    /// The time from this moment to `other`.
    public func duration(to other: Instant) -> Duration { other.offset - offset }

    /// Whether `lhs` is the earlier moment.
    public static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.offset < rhs.offset }
  }

  private let state = Mutex(SleepQueue())

  /// Makes a clock that shows zero.
  public init() {}

  /// The clock's present moment.
  public var now: Instant { state.withLock { $0.now } }

  /// Zero: a manual clock is exact.
  public var minimumResolution: Duration { .zero }

  /// The deadlines that tasks sleep for, earliest first.
  public var deadlines: [Instant] { state.withLock { $0.deadlines } }

  /// Suspends until the clock was moved to `deadline` or beyond.
  ///
  /// - Throws: `CancellationError` when the task is cancelled, or the clock ended, first.
  public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
    let id = state.withLock { $0.nextID() }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        perform(state.withLock { $0.sleep(id, until: deadline, continuation) })
      }
    } onCancel: {
      perform(state.withLock { $0.cancel(id) })
    }
  }

  /// Moves the clock forward and wakes every sleeper whose deadline was reached.
  ///
  /// - Precondition: `duration` is not negative; a clock does not run backwards.
  public func advance(by duration: Duration) {
    precondition(duration >= .zero, "a clock does not run backwards, not by \(duration)")
    perform(state.withLock { $0.advance(by: duration) })
  }

  /// Ends the clock for good: every sleep and every wait on it, present and future, is cancelled.
  ///
  /// The clock can still be moved, but nobody sleeps on it any more.
  public func end() { perform(state.withLock { $0.end() }) }

  /// Waits until at least `count` tasks sleep on this clock.
  ///
  /// - Throws: `CancellationError` when the waiting task is cancelled or the clock ended.
  public func waitForSleepers(_ count: Int = 1) async throws {
    try await wait { $0.count >= count }
  }

  /// Waits until a task sleeps for exactly the moment that is `offset` after the clock's beginning.
  ///
  /// - Throws: `CancellationError` when the waiting task is cancelled or the clock ended.
  public func waitForSleeper(until offset: Duration) async throws {
    try await wait { $0.contains(Instant(offset: offset)) }
  }

  /// Waits until a task sleeps, then moves the clock to the earliest deadline.
  ///
  /// - Returns: by how much the clock was moved.
  /// - Throws: `CancellationError` when the waiting task is cancelled or the clock ended.
  @discardableResult
  public func advanceToNextDeadline() async throws -> Duration {
    try await waitForSleepers()
    let (step, effects) = state.withLock { $0.advanceToNextDeadline() }
    perform(effects)
    return step
  }

  private func wait(until condition: @escaping @Sendable ([Instant]) -> Bool) async throws {
    let id = state.withLock { $0.nextID() }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        perform(state.withLock { $0.watch(id, condition, continuation) })
      }
    } onCancel: {
      perform(state.withLock { $0.cancel(id) })
    }
  }

  private func perform(_ effects: [SleepQueue.Effect]) {
    for effect in effects {
      effect.continuation.resume(with: effect.result)
    }
  }
}

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
  }

  private struct Watcher {
    let condition: @Sendable ([Instant]) -> Bool
    let continuation: Continuation
  }

  private(set) var now = Instant()
  private var hasEnded = false
  private var lastID = 0
  private var sleepers: [Int: (deadline: Instant, continuation: Continuation)] = [:]
  private var watchers: [Int: Watcher] = [:]
  /// Tasks that have an id but do not sleep or watch yet, and whether they were cancelled.
  private var pending: [Int: Bool] = [:]

  var deadlines: [Instant] { sleepers.values.map(\.deadline).sorted() }

  mutating func nextID() -> Int {
    lastID += 1
    pending[lastID] = false
    return lastID
  }

  mutating func sleep(_ id: Int, until deadline: Instant, _ continuation: Continuation) -> [Effect]
  {
    let wasCancelled = pending.removeValue(forKey: id) ?? false
    if wasCancelled || hasEnded { return [cancellation(continuation)] }
    if deadline <= now { return [Effect(continuation: continuation, result: .success(()))] }
    sleepers[id] = (deadline, continuation)
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
      return [cancellation(sleeper.continuation)] + satisfiedWatchers()
    }
    if let watcher = watchers.removeValue(forKey: id) {
      return [cancellation(watcher.continuation)]
    }
    if pending[id] != nil { pending[id] = true }
    return []
  }

  mutating func end() -> [Effect] {
    hasEnded = true
    let left = sleepers.mapValues(\.continuation)
      .merging(watchers.mapValues(\.continuation)) { sleeper, _ in sleeper }
    (sleepers, watchers) = ([:], [:])
    return left.sorted { $0.key < $1.key }.map { cancellation($0.value) }
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

  private func cancellation(_ continuation: Continuation) -> Effect {
    Effect(continuation: continuation, result: .failure(CancellationError()))
  }
}
