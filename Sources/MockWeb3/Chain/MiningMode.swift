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

  /// Blocks only when they are asked for (`evm_mine`).
  public static let manual = MiningMode(isAutomatic: false, interval: nil)
}
