import Synchronization

/// Tasks that begin at any time and all end with their owner.
///
/// A task group cannot be handed to whom starts the work later; this can, and keeps the promise
/// of a group: whoever made it ends it with ``cancel()`` and ``wait()``, after which no task is
/// left.
final class TaskScope: Sendable {
  private struct State: Sendable {
    var tasks: [UInt64: Task<Void, Never>] = [:]
    var lastID: UInt64 = 0
    var isClosed = false
  }

  private let state = Mutex(State())
  private let executor: (any TaskExecutor)?

  /// A scope whose tasks run on an executor; nil for the cooperative pool.
  init(on executor: (any TaskExecutor)? = nil) { self.executor = executor }

  /// Starts a task, and returns what cancels it; after the end the task starts cancelled.
  @discardableResult
  func spawn(_ work: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
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

  /// Waits until no task runs.
  func wait() async {
    while let task = state.withLock({ $0.tasks.values.first }) { await task.value }
  }

  /// Cancels every task, and those that are still to come.
  func cancel() {
    let tasks = state.withLock { state in
      state.isClosed = true
      return Array(state.tasks.values)
    }
    for task in tasks { task.cancel() }
  }
}
