import Synchronization

/// Hands every outcome to everybody who listens.
final class OutcomeBroadcast: Sendable {
  private struct State {
    var nextID = 0
    var listeners: [Int: AsyncStream<ReportOutcome>.Continuation] = [:]
  }

  private let state = Mutex(State())

  /// A stream of the outcomes from now on.
  func subscribe() -> AsyncStream<ReportOutcome> {
    let (stream, continuation) = AsyncStream<ReportOutcome>.makeStream()
    let id = state.withLock { state in
      state.nextID += 1
      state.listeners[state.nextID] = continuation
      return state.nextID
    }
    continuation.onTermination = { [weak self] _ in
      _ = self?.state.withLock { $0.listeners.removeValue(forKey: id) }
    }
    return stream
  }

  func send(_ outcome: ReportOutcome) {
    for listener in state.withLock({ Array($0.listeners.values) }) { listener.yield(outcome) }
  }

  deinit {
    for listener in state.withLock({ Array($0.listeners.values) }) { listener.finish() }
  }
}
