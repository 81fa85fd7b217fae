/// A run of blocks with what they need to compute, called from a pool thread.
final class BlockStack: Sendable {
  let configuration: BloomConfiguration
  let range: BlockRange
  let blocks: [Block]
  let attention: Attention
  let workspaces: WorkspaceStore

  init(_ checkpoint: Checkpoint, range: BlockRange) throws(BlockRangeError) {
    let configuration = checkpoint.configuration
    guard range.blockCount == configuration.blockCount else {
      throw .outsideModel("\(range)", blockCount: configuration.blockCount)
    }
    self.configuration = configuration
    self.range = range
    blocks = range.indices.map { Block(checkpoint, index: $0) }
    attention = Attention(configuration)
    workspaces = WorkspaceStore(configuration)
  }

  /// Some of the blocks of `whole`, which holds all of `part`; nothing is copied.
  init(_ whole: BlockStack, part: BlockRange) {
    configuration = whole.configuration
    range = part
    let first = part.lowerBound - whole.range.lowerBound
    blocks = Array(whole.blocks[first..<first + part.count])
    attention = whole.attention
    workspaces = whole.workspaces
  }

  /// Sends `workspace.states` through the blocks; stops between two of them when cancelled.
  func forward(
    _ workspace: Workspace, _ segments: [Attention.Segment], _ cancellation: Cancellation
  ) throws {
    let tokens = segments.last?.rows.upperBound ?? 0
    for (index, block) in blocks.enumerated() {
      try cancellation.check()
      block.forward(workspace, tokens: tokens) {
        attention.apply(workspace, segments, block: index)
      }
    }
  }

  /// Requires that a cache was made for these blocks.
  func require(_ cache: KeyValueCache) throws(CacheError) {
    guard cache.blocks == range else {
      throw .otherBlocks(expected: "\(range)", found: "\(cache.blocks)")
    }
  }

  func require(_ states: HiddenStates) throws(ShapeError) {
    guard states.hidden == configuration.hiddenSize else {
      throw ShapeError(
        what: "hidden states", expected: "\(configuration.hiddenSize) elements a token",
        found: "\(states.hidden)")
    }
  }
}
