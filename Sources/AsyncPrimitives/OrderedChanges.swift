import Synchronization

/// Passes changes on to observers in the order in which they were made, by whatever threads.
///
/// A change is noted under the lock of what changes, and passed on without it, so that observers may look at
/// what has changed. Nobody waits for an observer that another thread runs: that thread passes on what was
/// noted meanwhile.
package final class OrderedChanges<Change: Sendable>: Sendable {
  private struct State: Sendable {
    var observers: [@Sendable (Change) -> Void] = []
    var waiting: [Change] = []
    var isPassingOn = false
  }

  private let state = Mutex(State())

  /// Makes changes that nobody observes.
  package init() {}

  /// Has a closure called with each change that is noted from here on; it must not block.
  package func observe(_ observer: @escaping @Sendable (Change) -> Void) {
    state.withLock { $0.observers.append(observer) }
  }

  /// Notes a change, under the lock that orders it.
  package func note(_ change: @autoclosure () -> Change) {
    state.withLock { state in
      if !state.observers.isEmpty { state.waiting.append(change()) }
    }
  }

  /// Passes on what was noted, without that lock.
  package func passOn() {
    guard begin() else { return }
    while let (changes, observers) = takeWaiting() {
      for change in changes { for observer in observers { observer(change) } }
    }
  }

  /// Whether this call passes on what waits; another one may do so already.
  private func begin() -> Bool {
    state.withLock { state in
      guard !state.isPassingOn, !state.waiting.isEmpty else { return false }
      state.isPassingOn = true
      return true
    }
  }

  private func takeWaiting() -> ([Change], [@Sendable (Change) -> Void])? {
    state.withLock { state in
      guard !state.waiting.isEmpty else {
        state.isPassingOn = false
        return nil
      }
      defer { state.waiting = [] }
      return (state.waiting, state.observers)
    }
  }
}
