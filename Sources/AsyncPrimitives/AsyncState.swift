public import Synchronization

/// A value whose changes can be awaited.
///
/// Waits are served in the order they began, and end when their task is cancelled, so that nothing
/// can hang on a state that never comes. Public and inlinable since every token passes through it: across
/// modules the compiler specialises nothing less than that. What takes the lock is specialised, but never
/// inlined: `Mutex` marks itself with its thread's id, and a task may be on another thread after each wait,
/// so no async function may keep an id that it read before one.
public final class AsyncState<Value: Sendable>: Sendable {
  @usableFromInline
  struct Waiter: Sendable {
    @usableFromInline let id: UInt64
    /// Looks at the value, which it may change.
    /// - Returns: what resumes the wait; nil while the value is not what is waited for.
    @usableFromInline let attempt: @Sendable (inout Value) -> Effect?
    @usableFromInline let cancel: Effect

    @inlinable
    init(
      id: UInt64, attempt: @escaping @Sendable (inout Value) -> Effect?, cancel: @escaping Effect
    ) {
      self.id = id
      self.attempt = attempt
      self.cancel = cancel
    }
  }

  @usableFromInline typealias Effect = @Sendable () -> Void

  @usableFromInline
  struct State: Sendable {
    @usableFromInline var value: Value
    @usableFromInline var waiters: [Waiter] = []
    @usableFromInline var lastID: UInt64 = 0

    @inlinable
    init(value: Value) { self.value = value }

    /// Ends the waits that the value satisfies.
    @inlinable
    mutating func serveWaiters() -> [Effect] {
      var effects: [Effect] = []
      var isChanged = true
      // What one took may be what an earlier one waits for.
      while isChanged, !waiters.isEmpty {
        isChanged = false
        waiters.removeAll { waiter in
          guard let effect = waiter.attempt(&value) else { return false }
          effects.append(effect)
          isChanged = true
          return true
        }
      }
      return effects
    }
  }

  @usableFromInline let state: Mutex<State>

  /// Makes a state with a first value.
  @inlinable
  public init(_ value: Value) {
    state = Mutex(State(value: value))
  }

  /// The value now.
  @inlinable public var value: Value {
    @inline(never) get { state.withLock { $0.value } }
  }

  /// Changes the value and ends the waits that it satisfies.
  @discardableResult @inlinable @inline(never)
  public func update<Result: Sendable, Failure: Error>(
    _ change: @Sendable (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let (result, effects) = try state.withLock {
      state throws(Failure) -> (Result, [Effect]) in
      let result = try change(&state.value)
      return (result, state.serveWaiters())
    }
    for effect in effects { effect() }
    return result
  }

  /// Waits for a value that satisfies a condition, and returns it.
  ///
  /// - Throws: `CancellationError` when the task is cancelled first.
  @discardableResult @inlinable
  public func wait(until isMet: @escaping @Sendable (Value) -> Bool) async throws -> Value {
    try await take { isMet($0) ? $0 : nil }
  }

  /// Waits until something can be taken from the value, and takes it.
  ///
  /// - Parameter attempt: Takes it, or leaves the value as it is and returns nil. Called at once, and
  ///   then after each change.
  /// - Throws: `CancellationError` when the task is cancelled first.
  @inlinable
  public func take<Result: Sendable>(
    _ attempt: @escaping @Sendable (inout Value) -> Result?
  ) async throws -> Result {
    let id = newID()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        begin(id, attempt, continuation)
      }
    } onCancel: {
      cancel(id)
    }
  }

  @inlinable @inline(never)
  func newID() -> UInt64 {
    state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
  }

  /// Begins a wait, or ends it at once if it can be.
  @inlinable @inline(never)
  func begin<Result: Sendable>(
    _ id: UInt64, _ attempt: @escaping @Sendable (inout Value) -> Result?,
    _ continuation: CheckedContinuation<Result, any Error>
  ) {
    let effects = state.withLock { state in add(id, attempt, continuation, to: &state) }
    for effect in effects { effect() }
  }

  @inlinable @inline(never)
  func cancel(_ id: UInt64) {
    let waiter = state.withLock { state in
      state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
    }
    waiter?.cancel()
  }

  @inlinable
  func add<Result: Sendable>(
    _ id: UInt64, _ attempt: @escaping @Sendable (inout Value) -> Result?,
    _ continuation: CheckedContinuation<Result, any Error>, to state: inout State
  ) -> [Effect] {
    let resume: @Sendable (Result) -> Void = { continuation.resume(returning: $0) }
    if let result = attempt(&state.value) {
      let effect: Effect = { resume(result) }
      return [effect] + state.serveWaiters()
    }
    // The handler may have run before there was a waiter to remove.
    let cancel: Effect = { continuation.resume(throwing: CancellationError()) }
    if Task.isCancelled { return [cancel] }
    let retry: @Sendable (inout Value) -> Effect? = { value in
      guard let result = attempt(&value) else { return nil }
      return { resume(result) }
    }
    state.waiters.append(Waiter(id: id, attempt: retry, cancel: cancel))
    return []
  }
}
