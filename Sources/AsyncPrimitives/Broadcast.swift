import Synchronization

/// Sends every element to all who listen at the time.
package final class Broadcast<Element: Sendable>: Sendable {
  private struct State: Sendable {
    var lastID: UInt64 = 0
    var listeners: [UInt64: AsyncStream<Element>.Continuation] = [:]
  }

  private let state = Mutex(State())

  /// Makes a broadcast that nobody listens to.
  package init() {}

  deinit {
    for listener in state.withLock({ Array($0.listeners.values) }) { listener.finish() }
  }

  /// A stream of the elements from now on; it keeps what its reader has not read yet.
  ///
  /// It ends with its reader's task, and with the broadcast.
  package func subscribe() -> AsyncStream<Element> {
    let (stream, continuation) = AsyncStream<Element>.makeStream()
    let id = state.withLock { state in
      state.lastID += 1
      state.listeners[state.lastID] = continuation
      return state.lastID
    }
    continuation.onTermination = { [weak self] _ in
      _ = self?.state.withLock { $0.listeners.removeValue(forKey: id) }
    }
    return stream
  }

  /// How many listen.
  package var listenerCount: Int { state.withLock { $0.listeners.count } }

  /// Sends an element; all listeners get the elements in one order.
  package func send(_ element: Element) {
    state.withLock { state in
      for (_, listener) in state.listeners.sorted(by: { $0.key < $1.key }) {
        listener.yield(element)
      }
    }
  }
}
