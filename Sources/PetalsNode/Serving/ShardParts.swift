import Bloom
import Synchronization

/// A run of a node's blocks, and where the steps of its sessions wait for each other.
struct ServedPart: Sendable {
  let shard: Shard
  let steps: StepQueue
}

/// A node's blocks, and the runs of them that sessions asked for; all share the weights.
final class ShardParts: Sendable {
  private let whole: Shard
  private let chunk: Int
  /// At most one for each run of blocks, and each is small.
  private let parts = Mutex<[LayerRange: ServedPart]>([:])

  /// - Parameter chunk: Most tokens of prompts that a round of steps takes.
  init(_ whole: Shard, chunk: Int) {
    self.whole = whole
    self.chunk = chunk
  }

  /// What serves these blocks, which must be the node's.
  func part(_ blocks: LayerRange) throws(NodeError) -> ServedPart {
    let part = parts.withLock { parts in
      if let part = parts[blocks] { return part as ServedPart? }
      guard let shard = whole.part(blocks) else { return nil }
      let part = ServedPart(shard: shard, steps: StepQueue(shard, chunk: chunk))
      parts[blocks] = part
      return part
    }
    guard let part else {
      throw NodeError(.outOfRange, "blocks \(blocks) are not among \(whole.layers)")
    }
    return part
  }
}
