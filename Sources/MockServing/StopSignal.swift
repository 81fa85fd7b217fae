import AsyncPrimitives

/// Tells everything that waits on purpose (a fault that never answers) that the server stops, or that
/// the client of a connection has ended its side.
final class StopSignal: Sendable {
  private let isSent = AsyncState(false)

  /// Ends every wait, now and later.
  func send() { isSent.update { $0 = true } }

  /// Returns once the server stops, or the task is cancelled.
  func wait() async {
    do {
      try await isSent.wait { $0 }
    } catch {
      // Only a cancellation ends the wait before the signal.
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
