import Synchronization

/// A value whose changes can be awaited.
///
/// Waits end when their task is cancelled, so that nothing can hang on a state that never comes.
final class AsyncState<Value: Sendable>: Sendable {
  private struct Waiter: Sendable {
    let isMet: @Sendable (Value) -> Bool
    let continuation: CheckedContinuation<Value, any Error>
  }

  private struct State: Sendable {
    var value: Value
    var waiters: [UInt64: Waiter] = [:]
    var lastID: UInt64 = 0
  }

  private let state: Mutex<State>

  init(_ value: Value) {
    state = Mutex(State(value: value))
  }

  /// The value now.
  var value: Value { state.withLock { $0.value } }

  /// Changes the value and wakes the waits that it satisfies.
  @discardableResult
  func update<Result: Sendable, Failure: Error>(
    _ change: @Sendable (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let (result, value, woken) = try state.withLock {
      state throws(Failure) -> (Result, Value, [Waiter]) in
      let result = try change(&state.value)
      if state.waiters.isEmpty { return (result, state.value, []) }
      let met = state.waiters.filter { $0.value.isMet(state.value) }
      for id in met.keys { state.waiters[id] = nil }
      return (result, state.value, Array(met.values))
    }
    for waiter in woken { waiter.continuation.resume(returning: value) }
    return result
  }

  /// Waits for a value that satisfies a condition, and returns it.
  ///
  /// - Throws: `CancellationError` when the task is cancelled first.
  @discardableResult
  func wait(until isMet: @escaping @Sendable (Value) -> Bool) async throws -> Value {
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let immediate: Swift.Result<Value, any Error>? = state.withLock { state in
          if isMet(state.value) { return .success(state.value) }
          // The handler below may have run before there was a waiter to remove.
          if Task.isCancelled { return .failure(CancellationError()) }
          state.waiters[id] = Waiter(isMet: isMet, continuation: continuation)
          return nil
        }
        if let immediate { continuation.resume(with: immediate) }
      }
    } onCancel: {
      let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
      waiter?.continuation.resume(throwing: CancellationError())
    }
  }
}
