import Synchronization

/// Tasks that begin at any time and all end with their owner.
///
/// A task group cannot be handed to whom starts the work later; this can, and keeps the promise
/// of a group: whoever made it ends it with ``cancel()`` and ``wait()``, after which no task is
/// left.
package final class TaskScope: Sendable {
  private struct State: Sendable {
    var tasks: [UInt64: Task<Void, Never>] = [:]
    var lastID: UInt64 = 0
    var isClosed = false
  }

  private let state = Mutex(State())
  private let executor: (any TaskExecutor)?

  /// A scope whose tasks run on an executor; nil for the cooperative pool.
  package init(on executor: (any TaskExecutor)? = nil) { self.executor = executor }

  /// Starts a task, and returns what cancels it; after the end the task starts cancelled.
  @discardableResult
  package func spawn(_ work: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
    state.withLock { state in
      state.lastID += 1
      let id = state.lastID
      // It cannot remove itself before it is stored: that needs the lock held here.
      let task = Task(executorPreference: executor) {
        await work()
        self.state.withLock { $0.tasks[id] = nil }
      }
      state.tasks[id] = task
      if state.isClosed { task.cancel() }
      return task
    }
  }

  /// Runs work as a task of the scope, for a caller that may leave before it ends.
  ///
  /// A caller that is cancelled leaves at once. Its work is cancelled as well and ends when it can:
  /// what it waits for may learn of that late, and the scope is there to wait for it.
  /// - Throws: What the work throws; `CancellationError` when the caller was cancelled first.
  package func run<Output: Sendable>(
    _ work: @escaping @Sendable () async throws -> Output
  ) async throws -> Output {
    let outcome = AsyncState<Result<Output, any Error>?>(nil)
    let task = spawn {
      let result: Result<Output, any Error>
      do {
        result = .success(try await work())
      } catch {
        result = .failure(error)
      }
      outcome.update { $0 = result }
    }
    return try await withTaskCancellationHandler {
      guard let result = try await outcome.wait(until: { $0 != nil }) else {
        throw CancellationError()
      }
      return try result.get()
    } onCancel: {
      task.cancel()
    }
  }

  /// Waits until no task runs.
  package func wait() async {
    while let task = state.withLock({ $0.tasks.min { $0.key < $1.key }?.value }) {
      await task.value
    }
  }

  /// Cancels every task, and those that are still to come.
  package func cancel() {
    let tasks = state.withLock { state in
      state.isClosed = true
      // In the order in which they began: whoever counts on an order gets the same one each time.
      return state.tasks.sorted { $0.key < $1.key }.map(\.value)
    }
    for task in tasks { task.cancel() }
  }
}
