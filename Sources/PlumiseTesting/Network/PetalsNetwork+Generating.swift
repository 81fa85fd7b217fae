public import Bloom
public import PetalsNode

extension PetalsNetwork {
  /// Generates a continuation of a text through all nodes, with a client of its own.
  ///
  /// The nodes prove what they generated.
  /// - Parameters:
  ///   - prompt: What the text begins with; at least one token.
  ///   - newTokens: Most tokens to generate.
  ///   - sampling: How tokens are chosen; greedily when not said.
  /// - Throws: `NodeError` and `RouteError`; ``NoTokenizer``.
  public func generate(
    _ prompt: String, newTokens: Int, sampling: SamplingParameters = .greedy
  ) async throws -> GenerationResult {
    try await generate(
      PipelineRequest(
        promptIDs: try encode(prompt), prompt: prompt, maximumNewTokens: newTokens,
        sampling: sampling))
  }

  /// Generates a continuation of token ids through all nodes, with a client of its own.
  ///
  /// - Throws: `NodeError` and `RouteError`.
  public func generate(
    _ prompt: [Int32], newTokens: Int, sampling: SamplingParameters = .greedy
  ) async throws -> GenerationResult {
    try await generate(
      PipelineRequest(promptIDs: prompt, maximumNewTokens: newTokens, sampling: sampling))
  }

  /// The ids that the whole model in this process generates, to compare with.
  ///
  /// - Throws: `TokenError`; ``NoTokenizer``.
  public func generateAlone(
    _ prompt: String, newTokens: Int, sampling: SamplingParameters = .greedy
  ) async throws -> [Int32] {
    let request = GenerationRequest(
      prompt: try encode(prompt), maxNewTokens: newTokens, sampling: sampling)
    return try await LocalGenerator(plan.model.checkpoint).generate(request).ids
  }

  private func generate(_ request: PipelineRequest) async throws -> GenerationResult {
    try await withClient { try await $0.generate(request).collect() }
  }

  private func encode(_ text: String) throws -> [Int32] {
    guard let tokenizer = plan.model.tokenizer else { throw NoTokenizer() }
    return tokenizer.encode(text)
  }

  /// A text was given to a model that has no tokenizer.
  public struct NoTokenizer: Error, CustomStringConvertible {
    /// Says what to do.
    public var description: String {
      "the network's model has no tokenizer: generate from token ids, or give ModelEnds one"
    }
  }
}
