import BloomKernels

/// One transformer block's weights; an object, so that a pass copies none of its parts.
final class Block: Sendable {
  let inputNorm: LayerNorm
  /// Rows in the order [head, query/key/value, element].
  let queryKeyValue: Linear
  let dense: Linear
  let outputNorm: LayerNorm
  let up: Linear
  let down: Linear
  let residualAfterLayerNorm: Bool

  init(_ checkpoint: Checkpoint, index: Int) {
    func linear(
      _ weight: CheckpointLayout.BlockTensor, _ bias: CheckpointLayout.BlockTensor
    ) -> Linear {
      Linear(checkpoint, weight: weight.name(block: index), bias: bias.name(block: index))
    }
    inputNorm = LayerNorm(checkpoint, "h.\(index).input_layernorm")
    queryKeyValue = linear(.queryKeyValueWeight, .queryKeyValueBias)
    dense = linear(.denseWeight, .denseBias)
    outputNorm = LayerNorm(checkpoint, "h.\(index).post_attention_layernorm")
    up = linear(.upWeight, .upBias)
    down = linear(.downWeight, .downBias)
    residualAfterLayerNorm = checkpoint.configuration.residualAfterLayerNorm
  }

  /// Replaces `workspace.states` [tokens, hidden] by the block's output (Numerics.md, The model).
  ///
  /// `attend` turns `workspace.queryKeyValue` into `workspace.context`; what it throws ends the pass.
  func forward<Failure: Error>(
    _ workspace: Workspace, tokens: Int, attend: () throws(Failure) -> Void
  ) throws(Failure) {
    let x = workspace.states.pointer
    let normal = workspace.normal.pointer
    let middle = workspace.middle.pointer
    inputNorm.apply(x, tokens: tokens, into: normal)
    queryKeyValue.apply(normal, tokens: tokens, into: workspace.queryKeyValue.pointer)
    try attend()
    dense.apply(
      workspace.context.pointer, tokens: tokens, into: middle,
      then: .adding(residualAfterLayerNorm ? normal : x))
    outputNorm.apply(middle, tokens: tokens, into: normal)
    up.apply(normal, tokens: tokens, into: workspace.inner.pointer, then: .gelu)
    down.apply(
      workspace.inner.pointer, tokens: tokens, into: x,
      then: .adding(residualAfterLayerNorm ? normal : middle))
  }
}

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
    _ workspace: Workspace, _ segments: [Attention.Segment], _ prompts: [DeepPrompts.Segment],
    _ cancellation: Cancellation
  ) throws {
    let tokens = segments.last?.rows.upperBound ?? 0
    for (index, block) in blocks.enumerated() {
      try cancellation.check()
      for prompt in prompts { prompt.add(to: workspace.states.pointer, block: index) }
      try block.forward(workspace, tokens: tokens) {
        try attention.apply(workspace, segments, block: index)
      }
    }
  }

  /// Requires that a cache was made for these blocks.
  func require(_ cache: KeyValueCache) throws(CacheError) {
    guard cache.blocks == range else {
      throw .otherBlocks(expected: "\(range)", found: "\(cache.blocks)")
    }
  }

  /// Requires prompts for each of these blocks.
  func require(_ prompts: DeepPrompts) throws(ShapeError) {
    guard prompts.blocks.count == blocks.count else {
      throw ShapeError(
        what: "deep prompts", expected: "those of \(blocks.count) blocks",
        found: "\(prompts.blocks.count)")
    }
    for block in prompts.blocks { try require(block) }
  }

  func require(_ states: HiddenStates) throws(ShapeError) {
    guard states.hidden == configuration.hiddenSize else {
      throw ShapeError(
        what: "hidden states", expected: "\(configuration.hiddenSize) elements a token",
        found: "\(states.hidden)")
    }
  }
}

/// A layer norm with its scale and shift.
struct LayerNorm: Sendable {
  private let weight: FloatBuffer
  private let bias: FloatBuffer
  private let epsilon: Float

  /// The tensors `name.weight` and `name.bias`, each [hidden].
  init(_ checkpoint: Checkpoint, _ name: String) {
    weight = checkpoint.vector("\(name).weight")
    bias = checkpoint.vector("\(name).bias")
    epsilon = checkpoint.configuration.layerNormEpsilon
  }

  /// y [tokens, hidden]; may be x.
  func apply(_ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>) {
    bloom_layer_norm(x, tokens, weight.count, weight.pointer, bias.pointer, epsilon, y)
  }

  /// Adds to dx [tokens, hidden] the gradient at x for the result's gradient dy.
  func addGradient(
    _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, tokens: Int,
    to dx: UnsafeMutablePointer<Float>
  ) {
    bloom_layer_norm_backward(x, dy, tokens, weight.count, weight.pointer, epsilon, dx)
  }
}

/// A matrix and its bias.
struct Linear: Sendable {
  let weight: WeightMatrix
  private let bias: FloatBuffer

  init(_ checkpoint: Checkpoint, weight: String, bias: String) {
    self.weight = checkpoint.matrix(weight)
    self.bias = checkpoint.vector(bias)
  }

  /// y [tokens, rows] = x [tokens, columns] · weightᵀ + bias.
  func apply(
    _ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>,
    then epilogue: WeightMatrix.Epilogue = .nothing
  ) {
    weight.multiply(x, tokens: tokens, bias: bias.pointer, into: y, then: epilogue)
  }

  /// dx [tokens, columns] for the result's gradient dy [tokens, rows].
  func gradient(
    _ dy: UnsafePointer<Float>, tokens: Int, into dx: UnsafeMutablePointer<Float>
  ) {
    weight.multiplyTransposed(dy, tokens: tokens, into: dx)
  }
}
