/// When blocks are made.
public struct MiningMode: Hashable, Sendable {
  /// Whether a block is made for each transaction, before its sender gets an answer.
  public var isAutomatic: Bool
  /// How long a block takes, empty or not; nil for no blocks by time.
  public var interval: Duration?

  /// A block for each transaction.
  public static let automatic = MiningMode(isAutomatic: true, interval: nil)

  /// A block every so often.
  public static func every(_ interval: Duration) -> MiningMode {
    precondition(interval > .zero, "a block takes some time, not \(interval)")
    return MiningMode(isAutomatic: false, interval: interval)
  }

  /// Blocks only when they are asked for (`evm_mine`).
  public static let manual = MiningMode(isAutomatic: false, interval: nil)
}
