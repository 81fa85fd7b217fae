/// One operation that several callers wait for.
///
/// It starts with the first caller and ends early only when all of them have been cancelled: a
/// caller that goes away takes nothing from the others.
actor SharedOperation<Value: Sendable> {
  private let operation: @Sendable () async throws -> Value
  private nonisolated let executor: (any TaskExecutor)?
  private var run: Task<Void, Never>?
  /// Counts the runs, so that an abandoned one cannot complete the next.
  private var generation = 0
  private var nextID = 0
  private var waiting: [Int: CheckedContinuation<Value, any Error>] = [:]
  private var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []

  /// - Parameters:
  ///   - executor: where it runs; nil for the cooperative pool.
  ///   - operation: what is run.
  init(
    on executor: (any TaskExecutor)? = nil,
    _ operation: @escaping @Sendable () async throws -> Value
  ) {
    self.executor = executor
    self.operation = operation
  }

  /// Whether no caller waits for it.
  var isIdle: Bool { waiting.isEmpty }

  /// What the operation gives.
  /// - Throws: what it throws, or `CancellationError` when this caller was cancelled.
  func value() async throws -> Value {
    nextID += 1
    let id = nextID
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation {
        (continuation: CheckedContinuation<Value, any Error>) in
        guard !Task.isCancelled else {
          return continuation.resume(throwing: CancellationError())
        }
        waiting[id] = continuation
        startIfNeeded()
        notifyWatchers()
      }
    } onCancel: {
      Task(executorPreference: executor) { await self.leave(id) }
    }
  }

  /// Returns once so many callers wait for the operation, or it has ended.
  func waitForCallers(_ count: Int) async {
    await withCheckedContinuation { continuation in
      watchers.append((count, continuation))
      notifyWatchers()
    }
  }

  private func notifyWatchers() {
    let ready = watchers.filter { $0.count <= waiting.count }
    watchers.removeAll { $0.count <= waiting.count }
    for watcher in ready { watcher.continuation.resume() }
  }

  private func startIfNeeded() {
    guard run == nil else { return }
    let (operation, generation) = (operation, generation)
    run = Task(executorPreference: executor) {
      do {
        let value = try await operation()
        await self.finish(generation, .success(value))
      } catch {
        await self.finish(generation, .failure(error))
      }
    }
  }

  private func finish(_ finished: Int, _ result: Result<Value, any Error>) {
    guard finished == generation else { return }
    reset()
    let all = waiting
    waiting = [:]
    for (_, continuation) in all.sorted(by: { $0.key < $1.key }) {
      continuation.resume(with: result)
    }
  }

  private func leave(_ id: Int) {
    guard let continuation = waiting.removeValue(forKey: id) else { return }
    if waiting.isEmpty {
      run?.cancel()
      reset()
    }
    continuation.resume(throwing: CancellationError())
  }

  private func reset() {
    for watcher in watchers { watcher.continuation.resume() }
    watchers = []
    run = nil
    generation += 1
  }
}
