/// The time since its making, on any clock.
package struct Stopwatch: Sendable {
  private let read: @Sendable () -> Duration
  private let wait: @Sendable (Duration) async throws -> Void

  /// Makes a watch that shows zero now.
  package init(_ clock: any Clock<Duration>) {
    (read, wait) = Self.functions(clock)
  }

  /// How long ago the watch was made.
  package var elapsed: Duration { read() }

  /// Sleeps until the watch shows a time; one that is past is over at once.
  ///
  /// What is computed from ``elapsed`` is slept for this way: a sleep of a length would begin
  /// whenever the clock is read anew, and end too late by what it moved meanwhile.
  /// - Throws: `CancellationError` when the task is cancelled first.
  package func sleep(until elapsed: Duration) async throws { try await wait(elapsed) }

  private static func functions<C: Clock<Duration>>(
    _ clock: C
  ) -> (@Sendable () -> Duration, @Sendable (Duration) async throws -> Void) {
    let start = clock.now
    return (
      { start.duration(to: clock.now) },
      { try await clock.sleep(until: start.advanced(by: $0), tolerance: nil) }
    )
  }
}
