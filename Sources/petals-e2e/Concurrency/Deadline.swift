import AsyncPrimitives

/// Runs a body that must end in time.
/// - Parameters:
///   - duration: how long it may take.
///   - complaint: what is said when it takes longer.
/// - Throws: what the body throws; `CommandFailure` when the time is over.
func withDeadline<R: Sendable>(
  _ duration: Duration, _ complaint: String, clock: any Clock<Duration> = ContinuousClock(),
  _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
  try await withDeadline(
    duration, on: clock, orThrow: CommandFailure.failed("\(complaint) within \(duration)"), body)
}
