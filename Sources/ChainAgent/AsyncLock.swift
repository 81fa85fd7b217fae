/// A mutual-exclusion lock for asynchronous operations, first come, first served.
///
/// An actor alone is none: it runs other calls whenever it awaits, and two transactions could then
/// take the same nonce.
actor AsyncLock {
  private var isBusy = false
  private var nextID: UInt64 = 0
  private var waiting: [(id: UInt64, continuation: CheckedContinuation<Void, any Error>)] = []

  /// Runs an operation once all earlier ones are done.
  /// - Throws: `CancellationError` when the task is cancelled while it waits.
  func run<R: Sendable>(_ operation: @Sendable () async throws -> R) async throws -> R {
    try await enter()
    defer { leave() }
    return try await operation()
  }

  private func enter() async throws {
    guard isBusy else {
      isBusy = true
      return
    }
    nextID += 1
    let id = nextID
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation {
        (continuation: CheckedContinuation<Void, any Error>) in
        if Task.isCancelled {
          continuation.resume(throwing: CancellationError())
        } else {
          waiting.append((id, continuation))
        }
      }
    } onCancel: {
      Task { await self.cancel(id) }
    }
  }

  /// Hands the turn to the next one, or sets it free.
  private func leave() {
    guard !waiting.isEmpty else {
      isBusy = false
      return
    }
    waiting.removeFirst().continuation.resume()
  }

  private func cancel(_ id: UInt64) {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
    waiting.remove(at: index).continuation.resume(throwing: CancellationError())
  }
}
