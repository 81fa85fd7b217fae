import Foundation

/// Tries again what failed for a reason that may pass, at growing distances.
struct Retries: Sendable {
  /// Failures in a row without any progress until it is given up.
  var limit = 5
  /// The first wait; each one is twice the last.
  var firstWait = Duration.milliseconds(250)

  /// Progress below which an attempt counts as one more failure.
  var notable: Int64 = 64 << 10

  /// - Parameter attempt: the work; it adds what it achieved to the count, and after notable progress
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
        failures = progress >= notable ? 1 : failures + 1
        if failures >= limit { throw error }
        try await Task.sleep(for: wait(after: failures, error))
      }
    }
  }

  private func wait(after failures: Int, _ error: any Error) -> Duration {
    if let busy = error as? HubBusy, let seconds = busy.retryAfter, seconds >= 0 {
      return .seconds(min(seconds, 60))
    }
    return firstWait * (1 << (failures - 1))
  }
}
