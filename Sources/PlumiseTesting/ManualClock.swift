package import AsyncPrimitives
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
/// ``advance(by:)`` moves it at once: a task that sleeps again and again wakes once, however far the
/// clock was moved. ``NetworkTime/advance(by:)`` stops at each deadline instead, and lets everything that
/// became due run.
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
  /// Detects that every task which waits for this clock does so.
  package let idleMonitor: IdleMonitor

  /// Makes a clock that shows zero.
  public convenience init() { self.init(monitor: IdleMonitor()) }

  /// Makes a clock that shows zero, and goes on when everything is idle that a monitor sees.
  init(monitor: IdleMonitor) { idleMonitor = monitor }

  /// The clock's present moment.
  public var now: Instant { state.withLock { $0.now } }

  /// Zero: a manual clock is exact.
  public var minimumResolution: Duration { .zero }

  /// The deadlines that tasks sleep for, earliest first.
  ///
  /// The time limits of a network's servers and nodes, as for a client that sends nothing, are not among
  /// them: those are always there, and wait in the background.
  public var deadlines: [Instant] { state.withLock { $0.deadlines } }

  /// Suspends until the clock was moved to `deadline` or beyond.
  ///
  /// - Throws: `CancellationError` when the task is cancelled, or the clock ended, first.
  public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
    try await sleep(until: deadline, inBackground: false)
  }

  func sleep(until deadline: Instant, inBackground: Bool) async throws {
    let (id, message) = (state.withLock { $0.nextID() }, IdleMonitor.answering)
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        perform(
          state.withLock { queue in
            let effects = queue.sleep(
              id, until: deadline, inBackground: inBackground, continuation)
            // Under the lock: whoever wakes the sleeper finds what it holds.
            if let message, queue.isAsleep(id) { queue.hold(idleMonitor.hold(message), by: id) }
            return effects
          })
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

  /// Moves the clock to the earliest deadline, if there is one until then, and wakes who sleeps for it.
  /// - Returns: whether there was one.
  func advanceToDeadline(until end: Instant) -> Bool {
    let effects = state.withLock { $0.advanceToDeadline(until: end) }
    perform(effects ?? [])
    return effects != nil
  }

  /// Moves the clock forward to a moment, unless it is past.
  func advance(to moment: Instant) {
    perform(state.withLock { $0.advance(by: max(.zero, $0.now.duration(to: moment))) })
  }

  /// What the clock shows, and the deadlines, for an error.
  var summary: String { state.withLock { $0.summary } }

  /// Ends the clock for good: every sleep and every wait on it, present and future, is cancelled.
  ///
  /// The clock can still be moved, but nobody sleeps on it any more.
  public func end() { perform(state.withLock { $0.end() }) }

  /// Waits until at least `count` tasks sleep on this clock.
  ///
  /// - Throws: ``UnmetWait`` when the waiting task is cancelled or the clock ended.
  public func waitForSleepers(_ count: Int = 1) async throws {
    try await wait(for: count == 1 ? "a sleeper" : "\(count) sleepers") { $0.count >= count }
  }

  /// Waits until a task sleeps for exactly the moment that is `offset` after the clock's beginning.
  ///
  /// - Throws: ``UnmetWait`` when the waiting task is cancelled or the clock ended.
  public func waitForSleeper(until offset: Duration) async throws {
    try await wait(for: "a sleeper until \(offset)") { $0.contains(Instant(offset: offset)) }
  }

  /// Waits until a task sleeps, then moves the clock to the earliest deadline.
  ///
  /// - Returns: by how much the clock was moved.
  /// - Throws: ``UnmetWait`` when the waiting task is cancelled or the clock ended.
  @discardableResult
  public func advanceToNextDeadline() async throws -> Duration {
    try await waitForSleepers()
    let (step, effects) = state.withLock { $0.advanceToNextDeadline() }
    perform(effects)
    return step
  }

  private func wait(
    for awaited: String, until condition: @escaping @Sendable ([Instant]) -> Bool
  ) async throws {
    let id = state.withLock { $0.nextID() }
    do {
      try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
          perform(state.withLock { $0.watch(id, condition, continuation) })
        }
      } onCancel: {
        perform(state.withLock { $0.cancel(id) })
      }
    } catch {
      throw UnmetWait(awaited: awaited, clock: summary)
    }
  }

  private func perform(_ effects: [SleepQueue.Effect]) {
    for effect in effects {
      // Before the sleeper runs: the request that it answers goes on from here.
      if let request = effect.request { idleMonitor.release(request) }
      effect.continuation.resume(with: effect.result)
    }
  }

  /// The error of a wait for sleepers that was cancelled, as by a test's time limit.
  public struct UnmetWait: Error, CustomStringConvertible {
    let awaited: String
    let clock: String

    /// What was waited for, and which deadlines there were.
    public var description: String { "waited for \(awaited) in vain: \(clock)" }
  }
}

extension ManualClock: MonitoredClock {}
