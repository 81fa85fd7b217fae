/// Runs an operation, and gives it up after some time on a clock.
/// - Throws: what the operation throws, or ``EthereumClientError/timedOut(waitingFor:after:)``.
func withDeadline<R: Sendable>(
  _ duration: Duration, on clock: any Clock<Duration>, waitingFor what: String,
  _ operation: @escaping @Sendable () async throws -> R
) async throws -> R {
  try await withThrowingTaskGroup(of: R.self) { group in
    group.addTask(operation: operation)
    group.addTask {
      try await clock.sleep(for: duration)
      throw EthereumClientError.timedOut(waitingFor: what, after: duration)
    }
    defer { group.cancelAll() }
    guard let result = try await group.next() else {
      preconditionFailure("a group of two tasks has a first one")
    }
    return result
  }
}
