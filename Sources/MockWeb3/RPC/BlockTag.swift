import EthereumPrimitives

/// A height, or a name for one.
enum BlockTag: Hashable, Sendable {
  case number(UInt64)
  case latest, pending, earliest
  /// What is safe or final on a chain of one sealer is the latest block.
  case safe, finalized

  /// The height or tag of a name.
  init?(name: String) {
    switch name {
    case "latest": self = .latest
    case "safe": self = .safe
    case "finalized": self = .finalized
    case "pending": self = .pending
    case "earliest": self = .earliest
    default: return nil
    }
  }
}

/// A block by its height, its name or its hash.
enum BlockReference: Hashable, Sendable {
  case tag(BlockTag)
  case hash(Hash32)

  /// Whether it names one block for ever, and not whichever is the latest.
  var isExact: Bool {
    switch self {
    case .hash, .tag(.number): true
    case .tag: false
    }
  }
}
