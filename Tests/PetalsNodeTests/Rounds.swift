import Bloom
import Synchronization
import Testing

/// Rounds of a queue, each computed when the test says so.
final class Rounds: Sendable {
  private let jobs = Mutex<[@Sendable () -> ComputePool.Continuation]>([])

  /// Takes what the queue would hand to compute threads.
  func submit(_ job: @escaping @Sendable () -> ComputePool.Continuation) {
    jobs.withLock { $0.append(job) }
  }

  /// Computes one round.
  func run() throws {
    let job = try #require(jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() })
    if job() == .again { submit(job) }
  }
}
