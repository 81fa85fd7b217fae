public import PlumiseWire

/// The time of a network: the clock of its waits, and the time of day that goes with it.
///
/// Both stand still until a test moves the clock. Blocks, reports and the oracle's window for
/// timestamps take the time of day; intervals, time-outs, retries, polls and uptimes the clock.
public struct NetworkTime: Sendable {
  /// The clock that the test moves.
  public let clock: ManualClock
  /// The time of day when the clock showed zero, since 1970-01-01 00:00:00 UTC.
  public let start: Duration

  /// Makes a time that stands still.
  /// - Parameter start: the time of day, since 1970-01-01 00:00:00 UTC.
  public init(startingAt start: Duration) {
    clock = ManualClock()
    self.start = start
  }

  /// The time of day: the start, and what the clock was moved since.
  public var unixClock: UnixClock {
    UnixClock { [clock, start] in start + clock.now.offset }
  }
}
