/// The last step of a model: hidden states through `ln_f` and the head's matrix, which is the
/// embedding's where the configuration ties the two.
public final class LanguageModelHead: Sendable {
  private let configuration: BloomConfiguration
  private let norm: LayerNorm
  private let weight: WeightMatrix

  /// Maps the final layer norm and the head of a checkpoint.
  public init(_ checkpoint: Checkpoint) {
    configuration = checkpoint.configuration
    norm = LayerNorm(checkpoint, CheckpointLayout.finalNorm)
    weight = checkpoint.matrix(
      configuration.tiesWordEmbeddings ? CheckpointLayout.embedding : CheckpointLayout.head)
  }

  /// Multiplications of one token's scores.
  package var multiplications: Int { configuration.vocabularySize * configuration.hiddenSize }

  /// Scores [tokens, vocabulary] for the last block's output, or [1, vocabulary] for its last token.
  public func logits(_ states: HiddenStates, lastOnly: Bool = false) async throws -> Logits {
    try await ComputePool.current.run { [self] cancellation in
      try cancellation.check()
      return try logitsSync(states, lastOnly: lastOnly)
    }
  }

  /// The same on this thread, which is a compute thread.
  package func logitsSync(_ states: HiddenStates, lastOnly: Bool) throws -> Logits {
    guard states.hidden == configuration.hiddenSize else {
      throw ShapeError(
        what: "hidden states", expected: "\(configuration.hiddenSize) elements a token",
        found: "\(states.hidden)")
    }
    let tokens = lastOnly ? 1 : states.tokens
    let size = configuration.vocabularySize
    let values = [Float](unsafeUninitializedCapacity: tokens * size) { buffer, count in
      states.values.withUnsafeBufferPointer { values in
        guard let source = values.baseAddress, let target = buffer.baseAddress else { return }
        let first = (states.tokens - tokens) * states.hidden
        score(source + first, tokens: tokens, into: target)
      }
      count = tokens * size
    }
    return Logits(tokens: tokens, vocabularySize: size, values: values)
  }

  /// y [tokens, vocabulary]; on a pool thread.
  func score(
    _ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>
  ) {
    let hidden = configuration.hiddenSize
    let chunk = min(tokens, WorkspaceStore.chunk)
    let normal = FloatBuffer(count: chunk * hidden)
    for first in stride(from: 0, to: tokens, by: chunk) {
      let count = min(chunk, tokens - first)
      norm.apply(x + first * hidden, tokens: count, into: normal.pointer)
      weight.multiply(
        normal.pointer, tokens: count, bias: nil, into: y + first * configuration.vocabularySize)
    }
  }
}
