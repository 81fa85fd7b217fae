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

  /// The input's gradient for the output's.
  func run(
    _ input: HiddenStates, _ outputGradient: HiddenStates, _ cancellation: Cancellation
  ) throws -> HiddenStates {
    copy(input, into: workspace.states)
    for block in stack.blocks {
      try cancellation.check()
      let kept = FloatBuffer(count: workspace.states.count)
      kept.pointer.update(from: workspace.states.pointer, count: kept.count)
      inputs.append(kept)
      block.forward(workspace, tokens: tokens) {
        scratch.attention.forward(workspace.queryKeyValue, into: workspace.context)
      }
    }
    copy(outputGradient, into: scratch.gradient)
    for block in stack.blocks.reversed() {
      try cancellation.check()
      guard let kept = inputs.popLast() else { break }
      scratch.propagate(through: block, input: kept)
    }
    let values = UnsafeBufferPointer(start: scratch.gradient.pointer, count: scratch.gradient.count)
    return HiddenStates(unchecked: tokens, hidden: input.hidden, values: Array(values))
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
    try stack.require(input)
    guard outputGradient.tokens == input.tokens, outputGradient.hidden == input.hidden else {
      throw ShapeError(
        what: "output gradient", expected: "[\(input.tokens), \(input.hidden)] as the input",
        found: "[\(outputGradient.tokens), \(outputGradient.hidden)]")
    }
    return try await ComputePool.shared.run { [stack] cancellation in
      try BackwardPass(stack, tokens: input.tokens).run(input, outputGradient, cancellation)
    }
  }
}
