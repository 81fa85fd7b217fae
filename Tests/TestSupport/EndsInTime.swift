import AsyncPrimitives
package import Testing

/// Waits for work that a broken product may never finish: a failure then, in place of a hang.
///
/// The work has so long that only a fault takes longer. After that an issue is recorded, and `release`
/// is called, which must let the work end; that it ended is waited for in either case.
/// - Parameters:
///   - limit: How long the work may take.
///   - came: What came instead, for the message.
///   - release: Ends what the work waits for.
/// - Throws: What the work throws.
package func endsInTime<Result: Sendable>(
  within limit: Duration = .seconds(60), butCame came: @autoclosure () -> String,
  release: @Sendable () async throws -> Void = {},
  at location: SourceLocation = #_sourceLocation,
  _ work: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let isDone = AsyncState(false)
  let task = Task {
    defer { isDone.update { $0 = true } }
    return try await work()
  }
  return try await withTaskCancellationHandler {
    do {
      _ = try await withDeadline(limit, on: ContinuousClock()) { try await isDone.wait { $0 } }
    } catch is DeadlineExceeded {
      Issue.record("not ended within \(limit): \(came())", sourceLocation: location)
      task.cancel()
      try await release()
    }
    return try await task.value
  } onCancel: {
    task.cancel()
  }
}
