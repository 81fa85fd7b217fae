import AsyncPrimitives
import Synchronization

/// A restartable timeout, with one sleeping task for a whole session.
///
/// On the client's side a stretch is a step, on the node's side a client's silence.
package final class Watchdog: Sendable {
  private let limit: Duration
  private let time: Stopwatch
  private let begun = Mutex<Duration?>(nil)

  /// A watch for stretches that reach `limit` on `clock`.
  package init(limit: Duration, clock: any Clock<Duration>) {
    self.limit = limit
    time = Stopwatch(clock)
  }

  /// A stretch begins.
  ///
  /// - Parameter allowance: How much longer than the limit it may last.
  package func begin(allowing allowance: Duration = .zero) {
    begun.withLock { $0 = time.elapsed + allowance }
  }

  /// It ended.
  package func end() { begun.withLock { $0 = nil } }

  /// For how long the stretch has lasted; nil between two.
  package var running: Duration? { begun.withLock { $0 }.map { max(.zero, time.elapsed - $0) } }

  /// Returns once a stretch has reached the limit.
  ///
  /// - Throws: `CancellationError` when the task is cancelled first.
  package func overdue() async throws {
    while true {
      let now = time.elapsed
      let begun = begun.withLock { $0 }
      if let begun, now - begun >= limit { return }
      try await time.sleep(until: (begun ?? now) + limit)
    }
  }

  /// Runs work, and ends it once a stretch has reached the limit.
  ///
  /// - Throws: What the work throws; `error` when it was too slow; `CancellationError`.
  func unlessOverdue(
    _ error: NodeError, _ work: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await race(
      work,
      against: {
        try await self.overdue()
        throw error
      })
  }
}
