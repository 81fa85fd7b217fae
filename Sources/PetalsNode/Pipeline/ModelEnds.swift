public import Bloom

/// The two ends of a model, which belong to whoever generates.
///
/// The embedding comes before the first block, the language model head after the last; the blocks
/// between them are the nodes'.
public final class ModelEnds: Sendable {
  /// The client's own copy of the model.
  public let checkpoint: Checkpoint
  /// Its tokenizer; nil when the folder has none.
  public let tokenizer: Tokenizer?
  let embedding: Embedding
  let head: LanguageModelHead
  private let choices: ChoiceQueue

  /// Maps the ends of a checkpoint.
  public init(_ checkpoint: Checkpoint, tokenizer: Tokenizer? = nil) {
    self.checkpoint = checkpoint
    self.tokenizer = tokenizer
    embedding = Embedding(checkpoint)
    let head = LanguageModelHead(checkpoint)
    self.head = head
    choices = ChoiceQueue { try head.logitsHere($0, lastOnly: false) }
  }

  /// What a route must serve.
  public var model: Route.Model {
    Route.Model(
      fingerprint: checkpoint.fingerprint, layerCount: checkpoint.configuration.layerCount,
      hiddenSize: checkpoint.configuration.hiddenSize)
  }

  /// The input of the first block, `[tokens, hidden]`.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` for an id outside the vocabulary.
  public func embed(_ tokens: [Int32]) throws -> HiddenStates {
    do {
      return try embedding(tokens)
    } catch {
      throw NodeError(.invalidArgument, "\(error)")
    }
  }

  /// The scores of what may follow, from the last block's output.
  public func logits(_ hidden: HiddenStates, lastOnly: Bool = false) async throws -> Logits {
    try await head.logits(hidden, lastOnly: lastOnly)
  }

  /// The same on a compute thread: a prompt has many.
  func embedAway(_ tokens: [Int32]) async throws -> HiddenStates {
    try await ComputePool.shared.run { [self] cancellation in
      try cancellation.check()
      return try embed(tokens)
    }
  }

  /// The token that a sampler chooses after the last position, and what it is as an input.
  ///
  /// Scores, choice and embedding are one job of a compute thread, together with those of all
  /// generations that wait for a token just then.
  /// - Throws: ``NodeError/Code/internalFault`` in the words of Bloom's `ScoreError` when the scores
  ///   are no finite numbers: hidden states so large that the last layer norm overflows lead there.
  func choose(
    _ sampler: TokenSampler, after hidden: HiddenStates, context: [Int32]
  ) async throws -> ChoiceQueue.Choice {
    let last = hidden.tokens == 1 ? hidden : hidden.slice(hidden.tokens - 1..<hidden.tokens)
    return try await choices.choose(after: last) { [self] scores in
      let id: Int32
      do {
        id = try sampler.choose(scores, context)
      } catch {
        throw NodeError(.internalFault, "\(error)")
      }
      return ChoiceQueue.Choice(id: id, embedding: try embed([id]))
    }
  }

  /// The text of tokens; nil without a tokenizer.
  func text(of tokens: [Int32]) -> String? { tokenizer?.decode(tokens) }

  /// What a proof names: the texts, or the ids with commas between them where there is no text.
  func transcript(
    of request: PipelineRequest, _ generated: [Int32], _ text: String?
  ) -> SessionSummary.Transcript {
    SessionSummary.Transcript(
      input: request.prompt ?? Self.list(request.promptIDs),
      output: text ?? Self.list(generated))
  }

  private static func list(_ tokens: [Int32]) -> String {
    tokens.map(String.init).joined(separator: ",")
  }
}
