import AsyncPrimitives

/// The machine's time until it expires: then every wait on it is over, and so is each that begins.
///
/// A part that is stopped has this clock for its grace period, in which requests and calls under way
/// are finished. Killing the part ends the period.
final class GraceClock: Clock {
  typealias Instant = ContinuousClock.Instant

  private let base = ContinuousClock()
  private let isExpired = AsyncState(false)

  var now: Instant { base.now }
  var minimumResolution: Duration { base.minimumResolution }

  /// Ends all waits, present and future.
  func expire() { isExpired.update { $0 = true } }

  func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    try await race(
      { [base] in try await base.sleep(until: deadline, tolerance: tolerance) },
      against: { [isExpired] in try await isExpired.wait { $0 } })
  }
}
