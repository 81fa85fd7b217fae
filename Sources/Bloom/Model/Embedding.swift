/// The first step of a model: token ids to hidden states, through the embedding's layer norm.
public final class Embedding: Sendable {
  private let configuration: BloomConfiguration
  private let weight: WeightMatrix
  private let norm: LayerNorm

  /// Maps the embedding of a checkpoint.
  public init(_ checkpoint: Checkpoint) {
    configuration = checkpoint.configuration
    weight = checkpoint.matrix(CheckpointLayout.embedding)
    norm = LayerNorm(checkpoint, CheckpointLayout.embeddingNorm)
  }

  /// Hidden states [tokens, hidden], after `word_embeddings_layernorm`: the first block's input.
  public func callAsFunction(_ tokens: [Int32]) throws(TokenError) -> HiddenStates {
    try require(tokens)
    let values = [Float](
      unsafeUninitializedCapacity: tokens.count * configuration.hiddenSize
    ) { buffer, count in
      if let target = buffer.baseAddress { embed(tokens[...], into: target) }
      count = tokens.count * configuration.hiddenSize
    }
    return HiddenStates(
      unchecked: tokens.count, hidden: configuration.hiddenSize, values: values)
  }

  /// Requires at least one token, and every id within the vocabulary.
  func require(_ tokens: [Int32]) throws(TokenError) {
    guard !tokens.isEmpty else { throw .noTokens }
    for (index, token) in tokens.enumerated() {
      guard token >= 0, Int(token) < configuration.vocabularySize else {
        throw .outsideVocabulary(
          id: token, index: index, vocabularySize: configuration.vocabularySize)
      }
    }
  }

  /// For checked ids.
  func embed(_ tokens: ArraySlice<Int32>, into target: UnsafeMutablePointer<Float>) {
    for (offset, token) in tokens.enumerated() {
      weight.copyRow(Int(token), into: target + offset * configuration.hiddenSize)
    }
    norm.apply(target, tokens: tokens.count, into: target)
  }
}

/// Token ids that a model cannot take.
public enum TokenError: Error, Hashable, Sendable, CustomStringConvertible {
  case noTokens
  case outsideVocabulary(id: Int32, index: Int, vocabularySize: Int)
  /// Prompt and new tokens together are more than the model was made for.
  case tooLong(prompt: Int, maxNewTokens: Int, limit: Int)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .noTokens:
      "no tokens; at least one is needed"
    case .outsideVocabulary(let id, let index, let size):
      "token \(index): id \(id) is outside the vocabulary 0-\(size - 1)"
    case .tooLong(let prompt, let maxNewTokens, let limit):
      "prompt of \(prompt) tokens and \(maxNewTokens) new ones: the model allows \(limit) together"
    }
  }
}
