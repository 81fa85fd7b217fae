/// The shapes of the models that can be made up.
public enum SyntheticShape: String, Sendable, CaseIterable {
  /// 24 blocks, hidden 64, 4 heads, vocabulary 512: a whole network runs on it in milliseconds.
  case tiny
  /// The shape of bigscience/bloom-560m: 24 blocks, hidden 1024, 16 heads, vocabulary 250 880.
  case bloom560m = "bloom-560m"

  /// The model's configuration; id 2 ends a sequence.
  public var configuration: BloomConfiguration {
    do {
      return switch self {
      case .tiny:
        try BloomConfiguration(
          vocabularySize: 512, hiddenSize: 64, headCount: 4, blockCount: 24, bosTokenID: 1,
          eosTokenID: 2, padTokenID: 3)
      case .bloom560m:
        try BloomConfiguration(
          vocabularySize: 250_880, hiddenSize: 1024, headCount: 16, blockCount: 24, bosTokenID: 1,
          eosTokenID: 2, padTokenID: 3)
      }
    } catch {
      preconditionFailure("a fixed shape is valid: \(error)")
    }
  }
}
