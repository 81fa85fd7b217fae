import AsyncPrimitives

/// Retries an operation after transient failures, with exponential back-off.
struct TransferRetryPolicy: Sendable {
  /// Consecutive failures without progress after which the error is thrown.
  var maximumFailures = 5
  /// The delays between attempts.
  var backoff = Backoff(initial: .milliseconds(250), maximum: .seconds(60), jitter: 0)

  /// Bytes of progress below which an attempt counts as one more failure.
  var significantProgress: Int64 = 64 << 10

  /// - Parameter attempt: the work; it adds what it achieved to the count, and after enough progress
  ///   the failures are counted anew.
  /// - Throws: `CommandFailure` as it is, anything else after the last attempt.
  func run<R>(_ attempt: (inout Int64) async throws -> R) async throws -> R {
    var failures = 0
    while true {
      var progress: Int64 = 0
      do {
        return try await attempt(&progress)
      } catch let failure as CommandFailure {
        throw failure
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        failures = progress >= significantProgress ? 1 : failures + 1
        if failures >= maximumFailures { throw error }
        try await Task.sleep(for: wait(after: failures, error))
      }
    }
  }

  private func wait(after failures: Int, _ error: any Error) -> Duration {
    if let error = error as? RetryableHubError, let seconds = error.retryAfter, seconds >= 0 {
      return .seconds(min(seconds, 60))
    }
    return backoff.delay(after: failures)
  }
}
