/// What to generate.
public struct GenerationRequest: Sendable, Hashable {
  /// Token ids to go on from, at least one.
  public let prompt: [Int32]
  /// At most this many new tokens.
  public let maxNewTokens: Int
  /// How each new token is chosen.
  public let sampling: SamplingParameters
  /// Decides the draws, where there are any.
  public let seed: UInt64

  /// `maxNewTokens` below zero counts as zero.
  public init(
    prompt: [Int32], maxNewTokens: Int, sampling: SamplingParameters = .greedy, seed: UInt64 = 0
  ) {
    self.prompt = prompt
    self.maxNewTokens = max(0, maxNewTokens)
    self.sampling = sampling
    self.seed = seed
  }

  /// Requires that prompt and new tokens fit the model.
  public func validate(_ configuration: BloomConfiguration) throws(TokenError) {
    guard !prompt.isEmpty else { throw .noTokens }
    guard prompt.count <= configuration.sequenceLength,
      maxNewTokens <= configuration.sequenceLength - prompt.count
    else {
      throw .tooLong(
        prompt: prompt.count, maxNewTokens: maxNewTokens, limit: configuration.sequenceLength)
    }
  }
}

/// What was generated, and how long it took.
public struct Generation: Sendable, Hashable {
  /// New token ids; the end-of-sequence id that stopped them is not among them.
  public let ids: [Int32]
  /// From the call to the first new token.
  public let timeToFirstToken: Duration
  /// From the call to the last new token.
  public let duration: Duration

  /// New tokens a second after the first one; zero when there were fewer than two.
  public var tokensPerSecond: Double {
    let seconds = (duration - timeToFirstToken) / Duration.seconds(1)
    return ids.count > 1 && seconds > 0 ? Double(ids.count - 1) / seconds : 0
  }
}
