import EthereumPrimitives
import PlumiseWire

/// Which block a question is about.
public enum BlockSelector: Hashable, Sendable {
  /// The last block that was made.
  case latest
  /// The block that would be made now.
  case pending
  /// The first block.
  case earliest
  /// The block at a height.
  case number(UInt64)

  var json: JSON {
    switch self {
    case .latest: "latest"
    case .pending: "pending"
    case .earliest: "earliest"
    case .number(let number): .string(Quantity.encode(number))
    }
  }
}
