/// Runs a body that must end in time.
/// - Parameters:
///   - duration: how long it may take.
///   - complaint: what is said when it takes longer.
/// - Throws: what the body throws; `CommandFailure` when the time is over.
func withDeadline<R: Sendable>(
  _ duration: Duration, _ complaint: String, clock: any Clock<Duration> = ContinuousClock(),
  _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
  try await withThrowingTaskGroup(of: R.self) { group in
    group.addTask(operation: body)
    group.addTask {
      try await clock.sleep(for: duration)
      throw CommandFailure.failed("\(complaint) within \(duration)")
    }
    defer { group.cancelAll() }
    guard let first = try await group.next() else { throw CancellationError() }
    return first
  }
}
