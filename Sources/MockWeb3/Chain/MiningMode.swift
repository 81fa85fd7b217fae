import AsyncPrimitives

/// When blocks are made.
public struct MiningMode: Hashable, Sendable {
  /// Whether a block is made for each transaction, before its sender gets an answer.
  public var isAutomatic: Bool
  /// How long a block takes, empty or not; nil for no blocks by time.
  ///
  /// A longer one than ``longestInterval`` counts as that.
  public var interval: Duration?

  /// The longest block time: a hundred years, which every clock can count in nanoseconds.
  public static let longestInterval = Duration.seconds(3_153_600_000)

  /// A block for each transaction.
  public static let automatic = MiningMode(isAutomatic: true, interval: nil)

  /// A block every so often.
  public static func every(_ interval: Duration) -> MiningMode {
    precondition(interval > .zero, "a block takes some time, not \(interval)")
    precondition(interval <= longestInterval, "a block takes no more than \(longestInterval)")
    return MiningMode(isAutomatic: false, interval: interval)
  }

  /// Makes blocks only on request (`evm_mine`).
  public static let manual = MiningMode(isAutomatic: false, interval: nil)
}

/// Makes blocks by time: waits, on an injected clock, until the next one is due.
final class BlockProducer: Sendable {
  private struct Setting: Sendable {
    var interval: Duration?
    /// How often the interval was changed, so that a change back counts as one too.
    var changes: UInt64 = 0
  }

  private let clock: any Clock<Duration>
  private let setting = AsyncState(Setting())

  init(clock: any Clock<Duration>) { self.clock = clock }

  /// Sets the block time; nil for no blocks by time.
  ///
  /// A wait in progress begins anew.
  func setInterval(_ interval: Duration?) {
    setting.update { setting in
      guard interval != setting.interval else { return }
      setting.interval = interval
      setting.changes += 1
    }
  }

  /// Calls `produce` each time a block is due, until the task is cancelled.
  func run(_ produce: () async -> Void) async {
    while !Task.isCancelled {
      do {
        if try await waitUntilDue(setting.value), !Task.isCancelled { await produce() }
      } catch {
        // Only the cancellation ends a wait early.
        return
      }
    }
  }

  /// - Returns: whether a block is due; false when the setting was changed before.
  private func waitUntilDue(_ current: Setting) async throws -> Bool {
    let change: @Sendable () async throws -> Bool = { [setting] in
      try await setting.wait { $0.changes != current.changes }
      return false
    }
    guard let interval = current.interval else { return try await change() }
    return try await race(
      { [clock] in
        try await clock.sleep(for: min(interval, MiningMode.longestInterval))
        return true
      }, against: change)
  }
}

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
    offset < 0 ? now - min(now, offset.magnitude) : now.addingSaturating(offset.magnitude)
  }

  /// The timestamp of a block made now: the chain's time, but always above the parent's.
  func nextBlockTimestamp(now: UInt64, parent: UInt64) -> UInt64 {
    max(nextTimestamp ?? time(now: now), parent.addingSaturating(1))
  }

  /// Moves the chain's time, so far that the next block is at least so many seconds after the
  /// latest: blocks may be ahead of the clock, when many were made in one second.
  mutating func advance(by seconds: UInt64, now: UInt64, latest: UInt64) {
    set(
      to: max(time(now: now).addingSaturating(seconds), latest.addingSaturating(seconds)), now: now)
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
  func subtractingSaturating(_ other: UInt64) -> UInt64 { self - Swift.min(self, other) }

  /// The sum, or the largest number where it does not fit.
  func addingSaturating(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
