import AsyncPrimitives
import Synchronization

/// Detects a peer that sends nothing on a connection while an answer is due.
///
/// It runs on the client's clock, and begins anew with whatever is expected: the transport's own
/// keepalive ends with a connection's first call.
final class PeerLiveness: Sendable {
  /// What a question throws that was not answered in time.
  private struct Unanswered: Error {}

  /// How long the peer may give no sign.
  let limit: Duration
  private let clock: any Clock<Duration>
  private let time: Stopwatch
  private let lastActivity = Mutex<Duration>(.zero)

  init(limit: Duration, clock: any Clock<Duration>) {
    self.limit = limit
    self.clock = clock
    time = Stopwatch(clock)
  }

  /// Records that the peer sent something.
  func recordActivity() {
    let now = time.elapsed
    lastActivity.withLock { $0 = now }
  }

  /// Returns once the peer gave no sign for as long as is allowed while something was expected, and
  /// did not answer when it was asked for one.
  ///
  /// A client that stood still itself asks first, and finds what came meanwhile.
  /// - Parameters:
  ///   - waiting: For how long something has been expected; nil while nothing is.
  ///   - probe: Sends a request that the peer answers at once.
  /// - Throws: `CancellationError` when the task is cancelled first.
  func waitUntilLost(
    waiting: @Sendable () -> Duration?, probe: @escaping @Sendable () async throws -> Void
  ) async throws {
    let probeDelay = limit / 3
    while true {
      let now = time.elapsed
      let quiet = waiting().map { min($0, now - lastActivity.withLock { $0 }) } ?? .zero
      guard quiet >= probeDelay else {
        try await time.sleep(until: now + probeDelay - quiet)
        continue
      }
      let asked = time.elapsed
      if try await isAnswered(within: limit - probeDelay, probe) { continue }
      // What failed at once is tried no more: the rest of the time is the peer's all the same.
      try await time.sleep(until: asked + limit - probeDelay)
      if waiting() != nil, lastActivity.withLock({ $0 }) < asked { return }
    }
  }

  private func isAnswered(
    within rest: Duration, _ probe: @escaping @Sendable () async throws -> Void
  ) async throws -> Bool {
    do {
      try await withDeadline(rest, on: clock, orThrow: Unanswered(), probe)
      recordActivity()
      return true
    } catch {
      try Task.checkCancellation()
      return false
    }
  }
}
