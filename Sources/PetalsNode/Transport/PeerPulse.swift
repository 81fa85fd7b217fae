import Synchronization

/// Notices that a peer gives no sign of life on a connection while something is expected of it.
///
/// It runs on the client's clock, and begins anew with whatever is expected: the transport's own
/// keepalive ends with a connection's first call.
final class PeerPulse: Sendable {
  /// What a question throws that was not answered in time.
  private struct Unanswered: Error {}

  /// How long the peer may give no sign.
  let limit: Duration
  private let clock: any Clock<Duration>
  private let time: Stopwatch
  private let lastSign = Mutex<Duration>(.zero)

  init(limit: Duration, clock: any Clock<Duration>) {
    self.limit = limit
    self.clock = clock
    time = Stopwatch(clock)
  }

  /// The peer sent something.
  func beat() {
    let now = time.elapsed
    lastSign.withLock { $0 = now }
  }

  /// Returns once the peer gave no sign for as long as is allowed while something was expected, and
  /// did not answer when it was asked for one.
  ///
  /// A client that stood still itself asks first, and finds what came meanwhile.
  /// - Parameters:
  ///   - waiting: For how long something has been expected; nil while nothing is.
  ///   - ask: Asks the peer for a sign.
  /// - Throws: `CancellationError` when the task is cancelled first.
  func lost(
    waiting: @Sendable () -> Duration?, ask: @escaping @Sendable () async throws -> Void
  ) async throws {
    let patience = limit / 3
    while true {
      let now = time.elapsed
      let quiet = waiting().map { min($0, now - lastSign.withLock { $0 }) } ?? .zero
      guard quiet >= patience else {
        try await time.sleep(until: now + patience - quiet)
        continue
      }
      let asked = time.elapsed
      if try await isAnswered(within: limit - patience, ask) { continue }
      // What failed at once is tried no more: the rest of the time is the peer's all the same.
      try await time.sleep(until: asked + limit - patience)
      if waiting() != nil, lastSign.withLock({ $0 }) < asked { return }
    }
  }

  private func isAnswered(
    within rest: Duration, _ ask: @escaping @Sendable () async throws -> Void
  ) async throws -> Bool {
    do {
      try await withDeadline(rest, on: clock, orThrow: Unanswered(), ask)
      beat()
      return true
    } catch {
      try Task.checkCancellation()
      return false
    }
  }
}
