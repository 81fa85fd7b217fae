import Bloom
import Synchronization

/// A node's blocks, and the runs of them that sessions asked for; all share the weights.
final class ShardParts: Sendable {
  private let whole: Shard
  /// At most one for each run of blocks, and each is small.
  private let parts = Mutex<[LayerRange: Shard]>([:])

  init(_ whole: Shard) { self.whole = whole }

  /// The shard of these blocks, which must be the node's.
  func shard(_ blocks: LayerRange) throws(NodeError) -> Shard {
    if blocks == whole.layers { return whole }
    let part = parts.withLock { parts in
      let part = parts[blocks] ?? whole.part(blocks)
      parts[blocks] = part
      return part
    }
    guard let part else {
      throw NodeError(.outOfRange, "blocks \(blocks) are not among \(whole.layers)")
    }
    return part
  }
}
