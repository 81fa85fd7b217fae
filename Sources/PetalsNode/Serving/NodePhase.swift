/// The life of a node, in order.
public enum NodePhase: Int, Hashable, Sendable, Comparable {
  /// It was made and has not begun.
  case idle
  /// It listens, and reads its weights.
  case loading
  /// It has its weights, and tries a pass through its own port.
  case testing
  /// It serves.
  case ready
  /// It takes nothing new, and ends what runs.
  case stopping
  /// Its ports are free and nothing runs.
  case stopped

  /// Earlier phases are smaller.
  public static func < (left: NodePhase, right: NodePhase) -> Bool {
    left.rawValue < right.rawValue
  }
}
