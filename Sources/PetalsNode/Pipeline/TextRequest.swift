public import Bloom

/// Text to be continued.
public struct TextRequest: Sendable {
  /// The prompt.
  public let prompt: String
  /// Most new tokens.
  public let maximumNewTokens: Int
  /// How a token is chosen.
  public let sampling: SamplingParameters
  /// Where chance begins.
  public let seed: UInt64

  /// A request; without a seed, chance begins anywhere.
  public init(
    prompt: String, maximumNewTokens: Int, sampling: SamplingParameters,
    seed: UInt64 = .random(in: .min ... .max)
  ) {
    self.prompt = prompt
    self.maximumNewTokens = maximumNewTokens
    self.sampling = sampling
    self.seed = seed
  }
}

/// A piece of a text in the making.
struct TextChunk: Sendable {
  /// The token that it came of.
  let id: Int32
  /// New text; empty while a character is incomplete.
  let text: String
  /// Set on the last piece.
  let finishReason: FinishReason?
}
