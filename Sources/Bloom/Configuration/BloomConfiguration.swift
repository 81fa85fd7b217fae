/// The shape of a BLOOM model and the constants it was trained with.
public struct BloomConfiguration: Sendable, Hashable {
  /// Rows of the embedding, and logits of each position.
  public let vocabularySize: Int
  /// Elements of a hidden state.
  public let hiddenSize: Int
  /// Attention heads; they divide the hidden size.
  public let headCount: Int
  /// Blocks.
  public let blockCount: Int
  /// The constant that layer norms add to the variance.
  public let layerNormEpsilon: Float
  /// Whether a block's residuals start from the layer norm's result instead of its input.
  public let residualAfterLayerNorm: Bool
  /// Whether the embedding's matrix is the LM head's too; else the head has a matrix of its own.
  public let tiesWordEmbeddings: Bool
  /// The id that starts a sequence.
  public let bosTokenID: Int32?
  /// Generation stops at any of these ids.
  public let eosTokenIDs: [Int32]
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

  /// Weights of the whole model; an embedding that is the LM head too counts once.
  public var parameterCount: Int {
    blockCount * parametersPerBlock
      + (tiesWordEmbeddings ? 1 : 2) * vocabularySize * hiddenSize + 4 * hiddenSize
  }

  /// Whether a text ends with this id.
  public func endsSequence(_ id: Int32) -> Bool { eosTokenIDs.contains(id) }

  /// What `vocab_size` may be.
  static let vocabularySizes = 1...(1 << 24)
  /// What `hidden_size` may be.
  static let hiddenSizes = 1...(1 << 20)
  /// What `n_layer` may be.
  static let blockCounts = 1...(1 << 16)
  /// What `seq_length` may be.
  static let sequenceLengths = 1...(1 << 24)

  /// Checks every value.
  ///
  /// The ids that end a text are `eosTokenID` and `eosTokenIDs` together.
  public init(
    vocabularySize: Int, hiddenSize: Int, headCount: Int, blockCount: Int,
    layerNormEpsilon: Float = 1e-5, residualAfterLayerNorm: Bool = false,
    tiesWordEmbeddings: Bool = true, bosTokenID: Int32? = nil, eosTokenID: Int32? = nil,
    eosTokenIDs: [Int32] = [], padTokenID: Int32? = nil, sequenceLength: Int = 2048
  ) throws(ConfigurationError) {
    try Self.require("vocab_size", vocabularySize, in: Self.vocabularySizes)
    try Self.require("hidden_size", hiddenSize, in: Self.hiddenSizes)
    try Self.require("n_head", headCount, in: 1...hiddenSize)
    guard hiddenSize.isMultiple(of: headCount) else {
      throw ConfigurationError(
        field: "n_head", expected: "a divisor of hidden_size \(hiddenSize)",
        found: "\(headCount)")
    }
    try Self.require("n_layer", blockCount, in: Self.blockCounts)
    guard layerNormEpsilon > 0, layerNormEpsilon < 1 else {
      throw ConfigurationError(
        field: "layer_norm_epsilon", expected: "a number between 0 and 1",
        found: "\(layerNormEpsilon)")
    }
    let ends = (eosTokenID.map { [$0] } ?? []) + eosTokenIDs
    for (field, id) in [("bos_token_id", bosTokenID), ("pad_token_id", padTokenID)]
      + ends.map({ ("eos_token_id", $0) })
    {
      if let id { try Self.require(field, Int(id), in: 0...(vocabularySize - 1)) }
    }
    try Self.require("seq_length", sequenceLength, in: Self.sequenceLengths)
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.headCount = headCount
    self.blockCount = blockCount
    self.layerNormEpsilon = layerNormEpsilon
    self.residualAfterLayerNorm = residualAfterLayerNorm
    self.tiesWordEmbeddings = tiesWordEmbeddings
    self.bosTokenID = bosTokenID
    self.eosTokenIDs = ends
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
  /// The field's name in its file.
  public let field: String
  /// The expected value.
  public let expected: String
  /// The actual value.
  public let found: String

  /// One line that says what is wrong.
  public var description: String { "\(field): expected \(expected), found \(found)" }
}
