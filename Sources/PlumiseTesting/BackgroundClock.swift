import AsyncPrimitives

/// A manual clock for what limits others: its sleeps end when the clock is moved, and are no
/// ``ManualClock/deadlines``.
struct BackgroundClock: MonitoredClock {
  typealias Instant = ManualClock.Instant

  let clock: ManualClock

  var now: Instant { clock.now }
  var minimumResolution: Duration { .zero }
  var idleMonitor: IdleMonitor { clock.idleMonitor }

  func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    try await clock.sleep(until: deadline, inBackground: true)
  }
}
