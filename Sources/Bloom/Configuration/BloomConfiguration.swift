/// The shape of a BLOOM model and the constants it was trained with.
public struct BloomConfiguration: Sendable, Hashable {
  /// Rows of the embedding, and logits of each position.
  public let vocabularySize: Int
  /// Elements of a hidden state.
  public let hiddenSize: Int
  /// Attention heads; they divide the hidden size.
  public let headCount: Int
  /// Blocks.
  public let layerCount: Int
  /// What layer norms add to the variance.
  public let layerNormEpsilon: Float
  /// Whether a block's residuals start from the layer norm's result instead of its input.
  public let residualAfterLayerNorm: Bool
  /// The id that starts a sequence.
  public let bosTokenID: Int32?
  /// Generation stops at this id.
  public let eosTokenID: Int32?
  /// The id that fills up a batch.
  public let padTokenID: Int32?
  /// The longest prompt and generated text together, in tokens.
  public let sequenceLength: Int

  /// Elements of a head.
  public var headSize: Int { hiddenSize / headCount }

  /// Elements of the feed-forward network's inner layer: four times the hidden size.
  public var innerSize: Int { 4 * hiddenSize }

  /// Weights of one block.
  public var parametersPerBlock: Int {
    12 * hiddenSize * hiddenSize + 13 * hiddenSize
  }

  /// Weights of the whole model; the embedding counts once.
  public var parameterCount: Int {
    layerCount * parametersPerBlock + vocabularySize * hiddenSize + 4 * hiddenSize
  }

  /// Checks every value.
  public init(
    vocabularySize: Int, hiddenSize: Int, headCount: Int, layerCount: Int,
    layerNormEpsilon: Float = 1e-5, residualAfterLayerNorm: Bool = false,
    bosTokenID: Int32? = nil, eosTokenID: Int32? = nil, padTokenID: Int32? = nil,
    sequenceLength: Int = 2048
  ) throws(ConfigurationError) {
    try Self.require("vocab_size", vocabularySize, in: 1...(1 << 24))
    try Self.require("hidden_size", hiddenSize, in: 1...(1 << 20))
    try Self.require("n_head", headCount, in: 1...hiddenSize)
    guard hiddenSize.isMultiple(of: headCount) else {
      throw ConfigurationError(
        field: "n_head", expected: "a divisor of hidden_size \(hiddenSize)",
        found: "\(headCount)")
    }
    try Self.require("n_layer", layerCount, in: 1...(1 << 16))
    guard layerNormEpsilon > 0, layerNormEpsilon < 1 else {
      throw ConfigurationError(
        field: "layer_norm_epsilon", expected: "a number between 0 and 1",
        found: "\(layerNormEpsilon)")
    }
    for (field, id) in [
      ("bos_token_id", bosTokenID), ("eos_token_id", eosTokenID), ("pad_token_id", padTokenID),
    ] {
      if let id { try Self.require(field, Int(id), in: 0...(vocabularySize - 1)) }
    }
    try Self.require("seq_length", sequenceLength, in: 1...(1 << 24))
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.headCount = headCount
    self.layerCount = layerCount
    self.layerNormEpsilon = layerNormEpsilon
    self.residualAfterLayerNorm = residualAfterLayerNorm
    self.bosTokenID = bosTokenID
    self.eosTokenID = eosTokenID
    self.padTokenID = padTokenID
    self.sequenceLength = sequenceLength
  }

  private static func require(
    _ field: String, _ value: Int, in range: ClosedRange<Int>
  ) throws(ConfigurationError) {
    guard range.contains(value) else {
      throw ConfigurationError(
        field: field, expected: "\(range.lowerBound) to \(range.upperBound)", found: "\(value)")
    }
  }
}

/// A value that no BLOOM model can have.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The field's name in `config.json`.
  public let field: String
  /// What would have been right.
  public let expected: String
  /// What was there instead.
  public let found: String

  /// One line that says what is wrong.
  public var description: String { "\(field): expected \(expected), found \(found)" }
}
