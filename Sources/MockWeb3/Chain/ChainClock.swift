/// The chain's time: the real one, moved by tests.
struct ChainClock {
  /// The last second that a time can be set to, in seconds since 1970: clients count in 63 bits.
  static let latest = UInt64(Int64.max)

  /// Seconds that the chain is ahead of the time it is given; negative when it is behind, as after
  /// going back to a snapshot.
  var offset: Int64 = 0
  /// What the next block is to have as its timestamp.
  var nextTimestamp: UInt64?

  /// The chain's time.
  /// - Parameter now: seconds since 1970.
  func time(now: UInt64) -> UInt64 {
    offset < 0 ? now - min(now, offset.magnitude) : now.addingUpTo(offset.magnitude)
  }

  /// The timestamp of a block made now: the chain's time, but always above the parent's.
  func nextBlockTimestamp(now: UInt64, parent: UInt64) -> UInt64 {
    max(nextTimestamp ?? time(now: now), parent.addingUpTo(1))
  }

  /// Moves the chain's time, so far that the next block is at least so many seconds after the
  /// latest: blocks may be ahead of the clock, when many were made in one second.
  mutating func advance(by seconds: UInt64, now: UInt64, latest: UInt64) {
    set(to: max(time(now: now).addingUpTo(seconds), latest.addingUpTo(seconds)), now: now)
  }

  /// Sets the chain's time; from there on it goes with the time it is given.
  mutating func set(to time: UInt64, now: UInt64) {
    // Times beyond what 63 bits hold are clamped: no calendar reaches them.
    offset = Int64(clamping: time) - Int64(clamping: now)
  }

  /// Notes that a block was made: a timestamp set for it is used up, and the clock goes on from it.
  mutating func blockWasMade(at timestamp: UInt64, now: UInt64) {
    guard nextTimestamp != nil else { return }
    offset = timestamp > now ? Int64(clamping: timestamp - now) : 0
    nextTimestamp = nil
  }
}

extension UInt64 {
  /// The difference, or 0 where it would be negative.
  func subtractingDownTo(_ other: UInt64) -> UInt64 { self - Swift.min(self, other) }

  /// The sum, or the largest number where it does not fit.
  func addingUpTo(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
