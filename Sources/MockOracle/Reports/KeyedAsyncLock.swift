import EthereumPrimitives
import Synchronization

/// Lets one report of an agent be taken at a time; the agent's others wait in the order they came.
///
/// While a report is on its way to the log, whether the next one is a replay is not known yet.
final class KeyedAsyncLock: Sendable {
  /// Who waits behind the one whose turn it is; nothing for an agent without any.
  private let queues = Mutex<[Address: [CheckedContinuation<Void, Never>]]>([:])

  /// Waits for the agent's turn; ``end(_:)`` must follow.
  func begin(_ agent: Address) async {
    await withCheckedContinuation { continuation in
      let isFree = queues.withLock { queues in
        guard queues[agent] != nil else {
          queues[agent] = []
          return true
        }
        queues[agent]?.append(continuation)
        return false
      }
      if isFree { continuation.resume() }
    }
  }

  /// Ends the turn, and begins the next.
  func end(_ agent: Address) {
    let next = queues.withLock { queues -> CheckedContinuation<Void, Never>? in
      if queues[agent]?.isEmpty != false {
        queues[agent] = nil
        return nil
      }
      return queues[agent]?.removeFirst()
    }
    next?.resume()
  }
}
