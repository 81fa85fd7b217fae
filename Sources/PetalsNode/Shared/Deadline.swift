/// Runs an operation against a clock.
///
/// - Parameters:
///   - limit: How long it may take.
///   - clock: What measures that.
///   - late: The error when it took longer.
/// - Throws: The operation's error, `late`, or `CancellationError`.
func withDeadline<Result: Sendable>(
  _ limit: Duration, on clock: any Clock<Duration>, orThrow late: @autoclosure () -> any Error,
  _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result?.self) { group in
    group.addTask { try await operation() }
    group.addTask {
      try await clock.sleep(for: limit)
      return nil
    }
    defer { group.cancelAll() }
    guard let first = try await group.next(), let result = first else { throw late() }
    return result
  }
}
