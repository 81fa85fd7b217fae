import Bloom
import MockServing
import Synchronization

/// Rounds of a queue, each computed when the test says so.
final class Rounds: Sendable {
  private let jobs = Journal<@Sendable () -> ComputePool.Continuation>()
  private let begun = Atomic(0)

  /// Takes what the queue would hand to compute threads.
  func submit(_ job: @escaping @Sendable () -> ComputePool.Continuation) {
    jobs.record(job)
  }

  /// Computes one round.
  ///
  /// A step is among those that wait a moment before the queue asks for its round: that is waited
  /// for.
  func run() async throws {
    let number = begun.add(1, ordering: .relaxed).oldValue
    let job = try await jobs.next(after: number)
    if job() == .again { submit(job) }
  }
}
