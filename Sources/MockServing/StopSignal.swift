import Synchronization

/// Tells everything that waits on purpose (a fault that never answers) that the server stops, or that
/// the client of a connection has ended its side.
final class StopSignal: Sendable {
  private struct State {
    var isStopping = false
    var nextWaiter: UInt64 = 0
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    /// Waits that have a number but have not begun, and whether they were cancelled already.
    var onTheirWay: [UInt64: Bool] = [:]
  }

  private let state = Mutex(State())

  /// Ends every wait, now and later.
  func send() {
    let waiters = state.withLock { state in
      state.isStopping = true
      defer { state.waiters = [:] }
      return state.waiters.values
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns once the server stops, or the task is cancelled.
  func wait() async {
    let id = state.withLock { state in
      state.nextWaiter += 1
      state.onTheirWay[state.nextWaiter] = false
      return state.nextWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let over = state.withLock { state in
          let isCancelled = state.onTheirWay.removeValue(forKey: id) == true
          if state.isStopping || isCancelled { return true }
          state.waiters[id] = continuation
          return false
        }
        if over { continuation.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        if state.onTheirWay[id] != nil { state.onTheirWay[id] = true }
        return state.waiters.removeValue(forKey: id)
      }
      waiter?.resume()
    }
  }

  /// Returns once the server stops, another signal is sent, or the task is cancelled.
  func wait(or other: StopSignal) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.wait() }
      group.addTask { await other.wait() }
      await group.next()
      group.cancelAll()
    }
  }

  /// Runs an operation, and cancels it when the server stops.
  /// - Returns: whether the operation ended by itself.
  func interrupting(_ operation: @escaping @Sendable () async throws -> Void) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        do {
          try await operation()
          return true
        } catch {
          // Only a cancelled sleep throws here.
          return false
        }
      }
      group.addTask {
        await self.wait()
        return false
      }
      let finished = await group.next() ?? false
      group.cancelAll()
      return finished
    }
  }
}
