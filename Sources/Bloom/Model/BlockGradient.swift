import BloomKernels

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
