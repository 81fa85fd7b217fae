public import Bloom

/// What to generate.
public struct PipelineRequest: Sendable {
  /// Token ids of the prompt, at least one.
  public let promptIDs: [Int32]
  /// The prompt as text, which proofs name; nil names the ids instead.
  public let prompt: String?
  /// Most new tokens.
  public let maxNewTokens: Int
  /// How a token is chosen from the logits.
  public let sampling: SamplingParameters
  /// Where chance begins: the same seed gives the same tokens.
  public let seed: UInt64
  /// The output that the proof names, by the number of tokens; nil for the text.
  var provenOutput: (@Sendable (_ tokens: Int) -> String)?
  /// Whether each token says its rank and the time of each hop (``GeneratedToken/trace``).
  public let isTraced: Bool
  /// Proposes tokens, which one pass through the nodes verifies together; nil for none.
  public let draft: DraftModel?

  /// A request.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` for an empty prompt or no new token.
  public init(
    promptIDs: [Int32], prompt: String? = nil, maxNewTokens: Int,
    sampling: SamplingParameters = .greedy, seed: UInt64 = 0, isTraced: Bool = false,
    draft: DraftModel? = nil
  ) throws(NodeError) {
    guard !promptIDs.isEmpty else {
      throw NodeError(.invalidArgument, "the prompt has no token")
    }
    guard maxNewTokens >= 1 else {
      throw NodeError(.invalidArgument, "\(maxNewTokens) new tokens: ask for at least 1")
    }
    self.promptIDs = promptIDs
    self.prompt = prompt
    self.maxNewTokens = maxNewTokens
    self.sampling = sampling
    self.seed = seed
    self.isTraced = isTraced
    self.draft = draft
  }
}

/// The tokens of one generation, made as they are asked for.
///
/// It can be read once. Who stops reading, or is cancelled, ends the sessions on the nodes, which
/// count what was made until then.
public struct TokenStream: AsyncSequence, Sendable {
  /// Asks for one token after another.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let run: GenerationRun

    /// The next token; nil after the last.
    ///
    /// - Throws: ``NodeError`` that names the peer, or `CancellationError`.
    public mutating func next() async throws -> GeneratedToken? { try await run.next() }
  }

  let run: GenerationRun

  /// Reads the tokens.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(run: run) }

  /// What came of it; nil until the last token was read.
  public var result: GenerationResult? {
    get async { await run.result }
  }

  /// The nodes that the generation goes through now; nil before its first token and after its end.
  public var route: Route? {
    get async { await run.route }
  }

  /// Reads to the end.
  ///
  /// Nothing changes threads between two tokens, which on small models takes longer than they do:
  /// this is quicker than a loop over the tokens.
  /// - Parameter onToken: Gets each token, on the thread of the connections: it must not block.
  /// - Throws: What the reading throws.
  public func collect(
    _ onToken: @Sendable (GeneratedToken) -> Void = { _ in }
  ) async throws -> GenerationResult {
    try await withTaskExecutorPreference(run.client.executor) {
      while let token = try await run.next() { onToken(token) }
    }
    guard let result = await run.result else {
      throw NodeError(.internalFault, "a generation ended without a result")
    }
    return result
  }
}

/// Why a generation ended.
public enum FinishReason: String, Hashable, Sendable {
  /// It made as many tokens as were asked for.
  case length
  /// The model ended the text.
  case endOfSequence = "eos"
}

/// A new token.
public struct GeneratedToken: Hashable, Sendable {
  /// Its id.
  public let id: Int32
  /// 0 for the first one.
  public let index: Int
  /// Time since the generation began.
  public let elapsed: Duration
  /// How it was made; nil unless its request is traced.
  public let trace: TokenTrace?
}

/// How a token was made.
public struct TokenTrace: Hashable, Sendable {
  /// A pass through the blocks of one node.
  public struct Hop: Hashable, Sendable {
    /// The node.
    public let peer: String
    /// The blocks that it computed.
    public let blocks: BlockRange
    /// From the request to its answer, on the client's clock; where the node before handed the step on, from
    /// that one's answer.
    public let elapsed: Duration
    /// What the node computed; the rest of a request's time is the way there and back.
    public let computeTime: Duration
  }

  /// The token's place among the vocabulary by its score, 1 for the highest.
  public let rank: Int
  /// The passes that were answered, in their order; more than the route has where a node was replaced, and
  /// none for a token that a draft model proposed and the pass of an earlier token verified.
  public let hops: [Hop]
}

/// What came of a generation.
public struct GenerationResult: Hashable, Sendable {
  /// The prompt.
  public let promptIDs: [Int32]
  /// The new tokens, without the end-of-sequence token.
  public let generatedIDs: [Int32]
  /// The new tokens as text; nil without a tokenizer.
  public let text: String?
  /// From the beginning to the first new token; nil if there was none.
  public let timeToFirstToken: Duration?
  /// From the beginning to the last new token.
  public let duration: Duration
  /// The nodes it went through.
  public let route: Route
  /// Why it ended.
  public let finishReason: FinishReason
  /// The end-of-sequence token that ended it; nil when none did.
  public let endID: Int32?
  /// What became of a draft model's proposals; nil without such a model.
  public var draft: DraftStatistics?

  /// New tokens in a second, the first one's wait aside when there are more.
  public var tokensPerSecond: Double {
    guard let first = timeToFirstToken, generatedIDs.count > 0 else { return 0 }
    let (tokens, time) =
      generatedIDs.count > 1 ? (generatedIDs.count - 1, duration - first) : (1, duration)
    let seconds = time / .seconds(1)
    return seconds > 0 ? Double(tokens) / seconds : 0
  }
}
