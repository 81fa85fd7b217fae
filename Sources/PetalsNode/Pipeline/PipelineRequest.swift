public import Bloom

/// What to generate.
public struct PipelineRequest: Sendable {
  /// Token ids of the prompt, at least one.
  public let promptIDs: [Int32]
  /// The prompt as text, which proofs name; nil names the ids instead.
  public let prompt: String?
  /// Most new tokens.
  public let maximumNewTokens: Int
  /// How a token is chosen from the logits.
  public let sampling: SamplingParameters
  /// Where chance begins: the same seed gives the same tokens.
  public let seed: UInt64

  /// A request.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` for an empty prompt or no new token.
  public init(
    promptIDs: [Int32], prompt: String? = nil, maximumNewTokens: Int,
    sampling: SamplingParameters = .greedy, seed: UInt64 = 0
  ) throws(NodeError) {
    guard !promptIDs.isEmpty else {
      throw NodeError(.invalidArgument, "the prompt has no token")
    }
    guard maximumNewTokens >= 1 else {
      throw NodeError(.invalidArgument, "\(maximumNewTokens) new tokens: ask for at least 1")
    }
    self.promptIDs = promptIDs
    self.prompt = prompt
    self.maximumNewTokens = maximumNewTokens
    self.sampling = sampling
    self.seed = seed
  }
}
