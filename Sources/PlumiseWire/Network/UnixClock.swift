import Foundation

/// A source of the time of day, which tests replace.
public struct UnixClock: Sendable {
  /// The time since 1970-01-01 00:00:00 UTC.
  public var now: @Sendable () -> Duration

  /// A clock that asks the closure.
  public init(now: @escaping @Sendable () -> Duration) { self.now = now }

  /// The time in whole seconds, rounded down.
  public var seconds: Int64 {
    let (seconds, attoseconds) = now().components
    // The two have one sign, so a time before 1970 with a fraction is rounded further down.
    return attoseconds < 0 ? seconds - 1 : seconds
  }

  /// The system's clock.
  public static let system = UnixClock {
    var time = timespec()
    let result = clock_gettime(CLOCK_REALTIME, &time)
    precondition(result == 0, "the system has no clock of the time of day")
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }
}
