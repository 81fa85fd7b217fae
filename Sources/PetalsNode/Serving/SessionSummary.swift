public import EthereumPrimitives

/// What a session was for, as the client that led it says at its end.
///
/// Every node of a route gets the same summary and counts it once: one inference of so many
/// tokens, and a proof of its own when the texts are known. So all of them agree with what was
/// done, however the blocks were divided.
public struct SessionSummary: Hashable, Sendable {
  /// The texts, as a proof names them.
  public struct Transcript: Hashable, Sendable {
    /// Keccak-256 of the prompt.
    public let inputHash: Hash32
    /// Keccak-256 of what was generated.
    public let outputHash: Hash32

    /// A transcript by its digests.
    public init(inputHash: Hash32, outputHash: Hash32) {
      self.inputHash = inputHash
      self.outputHash = outputHash
    }

    /// The digests of two texts.
    public init(input: String, output: String) {
      self.init(inputHash: Keccak256.hash(input), outputHash: Keccak256.hash(output))
    }
  }

  /// New tokens, without the prompt and without the end-of-sequence token.
  public let generatedTokens: Int
  /// From the prompt to the last token, on the client's clock.
  public let latency: Duration
  /// What a proof needs; nil asks for none.
  public let transcript: Transcript?

  /// A summary.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` for a negative count or latency.
  public init(
    generatedTokens: Int, latency: Duration, transcript: Transcript? = nil
  ) throws(NodeError) {
    guard generatedTokens >= 0, latency >= .zero else {
      throw NodeError(
        .invalidArgument,
        "a session cannot have made \(generatedTokens) tokens in \(latency)")
    }
    self.generatedTokens = generatedTokens
    self.latency = latency
    self.transcript = transcript
  }
}
