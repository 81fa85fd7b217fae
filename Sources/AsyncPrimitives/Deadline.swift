/// Runs two operations at once, and cancels one when the other has ended.
///
/// Returns once both have ended, so an operation that ignores its cancellation holds it up.
/// - Returns: What the operation returned that ended first.
/// - Throws: What the operation threw that ended first; `CancellationError` when both heed the
///   cancellation of the task.
package func race<Result: Sendable>(
  _ operation: @escaping @Sendable () async throws -> Result,
  against other: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask { try await operation() }
    group.addTask { try await other() }
    defer { group.cancelAll() }
    guard let first = try await group.next() else {
      preconditionFailure("a group of two tasks has a first one")
    }
    return first
  }
}

/// Runs an operation, and cancels it when a clock says that its time is over.
///
/// - Parameters:
///   - limit: How long it may take.
///   - clock: What measures that.
///   - late: The error when it took longer; made only then.
/// - Throws: The operation's error, `late`, or `CancellationError`.
package func withDeadline<Result: Sendable>(
  _ limit: Duration, on clock: any Clock<Duration>,
  orThrow late: @autoclosure () -> any Error = DeadlineExceeded(),
  _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let result: Result? = try await race(
    { try await operation() },
    against: {
      try await clock.sleep(for: limit)
      return nil
    })
  guard let result else { throw late() }
  return result
}

/// Thrown when an operation took longer than its limit.
package struct DeadlineExceeded: Error {
  /// Makes the error.
  package init() {}
}
