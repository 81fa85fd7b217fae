import DequeModule

/// A mutual-exclusion lock for asynchronous operations, first come, first served.
///
/// An actor alone is none: it runs other calls whenever it awaits, and two transactions could then
/// take the same nonce.
package final class AsyncLock: Sendable {
  private enum OnlyKey: Hashable, Sendable { case only }

  private let locks = KeyedAsyncLock<OnlyKey>()

  /// Makes a lock that is free.
  package init() {}

  /// Runs an operation when all that came before are done.
  /// - Throws: What the operation throws; `CancellationError` when the task is cancelled while it
  ///   waits.
  package func withLock<Result>(
    isolation: isolated (any Actor)? = #isolation, _ operation: () async throws -> Result
  ) async throws -> Result {
    try await locks.withLock(for: .only, operation)
  }

  /// Waits for the lock, also when the task is cancelled; ``unlock()`` must follow.
  package func lock() async { await locks.lock(.only) }

  /// Hands the lock to the next that waits, or sets it free.
  package func unlock() { locks.unlock(.only) }
}

/// A lock for each of any number of keys, first come, first served.
///
/// A key takes memory only while its lock is held.
package final class KeyedAsyncLock<Key: Hashable & Sendable>: Sendable {
  private struct Waiter: Sendable {
    let id: UInt64
    /// Resumed with whether the lock is the waiter's.
    let continuation: CheckedContinuation<Bool, Never>
  }

  private struct State: Sendable {
    var lastID: UInt64 = 0
    /// Who waits behind the holder; nothing for a key whose lock is free.
    var waiters: [Key: Deque<Waiter>] = [:]
  }

  private let state = AsyncState(State())

  /// Makes locks that are free.
  package init() {}

  /// Runs an operation when all that came before for the key are done.
  /// - Throws: What the operation throws; `CancellationError` when the task is cancelled while it
  ///   waits.
  package func withLock<Result>(
    for key: Key, isolation: isolated (any Actor)? = #isolation,
    _ operation: () async throws -> Result
  ) async throws -> Result {
    let id = nextID()
    let isHeld = await withTaskCancellationHandler {
      await enqueue(key, id, isCancellable: true)
    } onCancel: {
      cancel(key, id)
    }
    guard isHeld else { throw CancellationError() }
    defer { unlock(key) }
    return try await operation()
  }

  /// Waits for a key's lock, also when the task is cancelled; ``unlock(_:)`` must follow.
  package func lock(_ key: Key) async {
    _ = await enqueue(key, nextID(), isCancellable: false)
  }

  /// Hands a key's lock to the next that waits, or sets it free.
  package func unlock(_ key: Key) {
    let next = state.update { state -> Waiter? in
      precondition(state.waiters[key] != nil, "a lock is unlocked that nobody holds")
      let next = state.waiters[key]?.popFirst()
      if next == nil { state.waiters[key] = nil }
      return next
    }
    next?.continuation.resume(returning: true)
  }

  /// How many wait behind the holder of a key's lock.
  package func waiterCount(_ key: Key) -> Int { state.value.waiters[key]?.count ?? 0 }

  /// Returns once so many wait behind the holder of a key's lock.
  /// - Throws: `CancellationError` when the task is cancelled first.
  package func wait(forWaiters count: Int, of key: Key) async throws {
    try await state.wait { $0.waiters[key]?.count ?? 0 >= count }
  }

  private func nextID() -> UInt64 {
    state.update { state in
      state.lastID += 1
      return state.lastID
    }
  }

  private func enqueue(_ key: Key, _ id: UInt64, isCancellable: Bool) async -> Bool {
    await withCheckedContinuation { continuation in
      let immediate: Bool? = state.update { state in
        guard state.waiters[key] != nil else {
          state.waiters[key] = []
          return true
        }
        // The handler may have run before there was a waiter to remove.
        if isCancellable, Task.isCancelled { return false }
        state.waiters[key]?.append(Waiter(id: id, continuation: continuation))
        return nil
      }
      if let immediate { continuation.resume(returning: immediate) }
    }
  }

  private func cancel(_ key: Key, _ id: UInt64) {
    let waiter = state.update { state -> Waiter? in
      guard let index = state.waiters[key]?.firstIndex(where: { $0.id == id }) else { return nil }
      return state.waiters[key]?.remove(at: index)
    }
    waiter?.continuation.resume(returning: false)
  }
}
