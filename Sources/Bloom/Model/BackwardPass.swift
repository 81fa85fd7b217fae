import BloomKernels

/// The gradient of a run of blocks for one sequence, weights frozen.
///
/// Only each block's input is kept from the way forward; everything else is computed again, block by
/// block, on the way back: memory for one block instead of for all.
final class BackwardPass: @unchecked Sendable {
  // Sendable: it belongs to one job.
  private let stack: BlockStack
  private let tokens: Int
  /// Each block's input [tokens, hidden].
  private var inputs: [FloatBuffer] = []
  private let workspace: Workspace
  private let scratch: BlockGradient

  init(_ stack: BlockStack, tokens: Int) {
    self.stack = stack
    self.tokens = tokens
    workspace = Workspace(stack.configuration, capacity: tokens)
    scratch = BlockGradient(stack.configuration, tokens: tokens)
  }

  /// The input's gradient for the output's, and those of the prompts, for each block, if there are any.
  func run(
    _ input: HiddenStates, _ outputGradient: HiddenStates, _ prompts: DeepPrompts?,
    _ cancellation: Cancellation
  ) throws -> (input: HiddenStates, prompts: [HiddenStates]) {
    copy(input, into: workspace.states)
    let segment = prompts?.segment(from: 0, rows: 0..<tokens)
    for (index, block) in stack.blocks.enumerated() {
      try cancellation.check()
      segment?.add(to: workspace.states.pointer, block: index)
      let kept = FloatBuffer(count: workspace.states.count)
      kept.pointer.update(from: workspace.states.pointer, count: kept.count)
      inputs.append(kept)
      block.forward(workspace, tokens: tokens) {
        scratch.attention.forward(workspace.queryKeyValue, into: workspace.context)
      }
    }
    copy(outputGradient, into: scratch.gradient)
    var promptGradients: [HiddenStates] = []
    for block in stack.blocks.reversed() {
      try cancellation.check()
      guard let kept = inputs.popLast() else { break }
      scratch.propagate(through: block, input: kept)
      if let segment { promptGradients.append(gradient(of: segment.rows.count, input.hidden)) }
    }
    return (gradient(of: tokens, input.hidden), promptGradients.reversed())
  }

  /// The first rows of the gradient at the input of the block that was passed last.
  private func gradient(of tokens: Int, _ hidden: Int) -> HiddenStates {
    let values = UnsafeBufferPointer(start: scratch.gradient.pointer, count: tokens * hidden)
    return HiddenStates(unchecked: tokens, hidden: hidden, values: Array(values))
  }

  private func copy(_ states: HiddenStates, into buffer: FloatBuffer) {
    states.values.withUnsafeBufferPointer { values in
      if let source = values.baseAddress {
        buffer.pointer.update(from: source, count: values.count)
      }
    }
  }
}

extension Shard {
  /// Bytes for each token that a backward pass over a sequence works in: the inputs of its blocks, one
  /// block's intermediate values and their gradients (32 times the hidden size), and the attention's
  /// scores and theirs.
  package func backwardBytesPerToken(tokens: Int) -> Int {
    let configuration = stack.configuration
    return MemoryLayout<Float>.size
      * ((blocks.count + 32) * configuration.hiddenSize + 2 * tokens)
  }

  /// The gradient at the input of these blocks, given the one at their output.
  ///
  /// `input` is a whole sequence [tokens, hidden] from position 0; weights are frozen. Throws
  /// ``ShapeError`` or `CancellationError`.
  public func backward(
    input: HiddenStates, outputGradient: HiddenStates
  ) async throws -> HiddenStates {
    try await backward(input: input, outputGradient: outputGradient, prompts: nil).input
  }

  /// The gradient at the input of these blocks, and those of the prompts that were added before each.
  ///
  /// As ``backward(input:outputGradient:)``; no prompts have no gradients.
  public func backward(
    input: HiddenStates, outputGradient: HiddenStates, prompts: DeepPrompts?
  ) async throws -> (input: HiddenStates, prompts: [HiddenStates]) {
    try stack.require(input)
    if let prompts { try stack.require(prompts) }
    guard outputGradient.tokens == input.tokens, outputGradient.hidden == input.hidden else {
      throw ShapeError(
        what: "output gradient", expected: "[\(input.tokens), \(input.hidden)] as the input",
        found: "[\(outputGradient.tokens), \(outputGradient.hidden)]")
    }
    return try await ComputePool.current.run { [stack] cancellation in
      try BackwardPass(stack, tokens: input.tokens).run(
        input, outputGradient, prompts, cancellation)
    }
  }
}

/// Carries a gradient from a block's output to its input.
///
/// Names with `d` are gradients of the value behind it; T tokens, H hidden size.
final class BlockGradient {
  /// [T, H]: the gradient at the block's output, then at its input.
  let gradient: FloatBuffer
  let attention: SequenceAttention
  private let tokens: Int
  private let inputNormal: FloatBuffer
  private let queryKeyValue: FloatBuffer
  private let context: FloatBuffer
  private let middle: FloatBuffer
  private let outputNormal: FloatBuffer
  private let inner: FloatBuffer
  private let dInner: FloatBuffer
  private let dNormal: FloatBuffer
  private let dMiddle: FloatBuffer
  private let dQueryKeyValue: FloatBuffer

  init(_ configuration: BloomConfiguration, tokens: Int) {
    self.tokens = tokens
    let size = tokens * configuration.hiddenSize
    attention = SequenceAttention(configuration, tokens: tokens)
    gradient = FloatBuffer(count: size)
    inputNormal = FloatBuffer(count: size)
    queryKeyValue = FloatBuffer(count: 3 * size)
    context = FloatBuffer(count: size)
    middle = FloatBuffer(count: size)
    outputNormal = FloatBuffer(count: size)
    inner = FloatBuffer(count: 4 * size)
    dInner = FloatBuffer(count: 4 * size)
    dNormal = FloatBuffer(count: size)
    dMiddle = FloatBuffer(count: size)
    dQueryKeyValue = FloatBuffer(count: 3 * size)
  }

  /// Replaces ``gradient``; `input` is the block's input [T, H].
  func propagate(through block: Block, input: FloatBuffer) {
    recompute(block, input)
    // Output = down(gelu(up(norm(middle)))) + (norm(middle) or middle).
    block.down.gradient(gradient.pointer, tokens: tokens, into: dInner.pointer)
    bloom_gelu_backward(inner.pointer, dInner.pointer, inner.count)
    block.up.gradient(dInner.pointer, tokens: tokens, into: dNormal.pointer)
    close(block, block.outputNorm, at: middle, from: gradient, to: dMiddle)
    // Middle = dense(attention(norm(input))) + (norm(input) or input).
    block.dense.gradient(dMiddle.pointer, tokens: tokens, into: dNormal.pointer)
    attention.backward(queryKeyValue, dContext: dNormal, into: dQueryKeyValue)
    block.queryKeyValue.gradient(dQueryKeyValue.pointer, tokens: tokens, into: dNormal.pointer)
    close(block, block.inputNorm, at: input, from: dMiddle, to: gradient)
  }

  /// The intermediate values, with `inner` before its activation.
  private func recompute(_ block: Block, _ input: FloatBuffer) {
    let isAfterNorm = block.residualAfterLayerNorm
    block.inputNorm.apply(input.pointer, tokens: tokens, into: inputNormal.pointer)
    block.queryKeyValue.apply(inputNormal.pointer, tokens: tokens, into: queryKeyValue.pointer)
    attention.forward(queryKeyValue, into: context)
    block.dense.apply(
      context.pointer, tokens: tokens, into: middle.pointer,
      then: .adding(isAfterNorm ? inputNormal.pointer : input.pointer))
    block.outputNorm.apply(middle.pointer, tokens: tokens, into: outputNormal.pointer)
    block.up.apply(outputNormal.pointer, tokens: tokens, into: inner.pointer)
  }

  /// Joins the branch's gradient, in ``dNormal``, with the residual's, `outer`, through a layer norm
  /// of `x`: the residual started either behind the norm or before it.
  private func close(
    _ block: Block, _ norm: LayerNorm, at x: FloatBuffer, from outer: FloatBuffer,
    to result: FloatBuffer
  ) {
    if block.residualAfterLayerNorm {
      bloom_add(outer.pointer, outer.count, dNormal.pointer)
      result.pointer.update(repeating: 0, count: result.count)
    } else {
      result.pointer.update(from: outer.pointer, count: outer.count)
    }
    norm.addGradient(x.pointer, dNormal.pointer, tokens: tokens, to: result.pointer)
  }
}
