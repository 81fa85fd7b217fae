import Synchronization

/// Carries a task's cancellation to the thread that computes for it.
package final class Cancellation: Sendable {
  private let flag = Atomic<Bool>(false)

  package init() {}

  package func cancel() { flag.store(true, ordering: .relaxed) }

  /// Throws `CancellationError` once the task was cancelled.
  package func check() throws {
    if flag.load(ordering: .relaxed) { throw CancellationError() }
  }
}
