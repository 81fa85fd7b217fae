/// Thrown when an operation took longer than its limit.
struct DeadlineExceeded: Error {}

/// Runs an operation that is cancelled when a clock says that its time is over.
/// - Throws: ``DeadlineExceeded``, or whatever the operation throws first.
func withDeadline<R: Sendable>(
  _ limit: Duration, on clock: any Clock<Duration>,
  _ operation: @escaping @Sendable () async throws -> R
) async throws -> R {
  try await withThrowingTaskGroup(of: R.self) { group in
    group.addTask { try await operation() }
    group.addTask {
      try await clock.sleep(for: limit)
      throw DeadlineExceeded()
    }
    defer { group.cancelAll() }
    guard let first = try await group.next() else { throw CancellationError() }
    return first
  }
}
