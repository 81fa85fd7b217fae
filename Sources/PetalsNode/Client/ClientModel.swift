public import Bloom
import Synchronization

/// The parts of a model that a client computes itself: embedding and language-model head.
///
/// The embedding comes before the first block, the language model head after the last; the blocks
/// between them are the nodes'.
public final class ClientModel: Sendable {
  /// The client's own copy of the model.
  public let checkpoint: Checkpoint
  /// Its tokenizer; nil when the folder has none.
  public let tokenizer: Tokenizer?
  let embedding: Embedding
  let head: LanguageModelHead
  private let choices: SamplingBatcher

  /// Maps the embedding and the head of a checkpoint.
  public init(_ checkpoint: Checkpoint, tokenizer: Tokenizer? = nil) {
    self.checkpoint = checkpoint
    self.tokenizer = tokenizer
    embedding = Embedding(checkpoint)
    let head = LanguageModelHead(checkpoint)
    self.head = head
    choices = SamplingBatcher(multiplications: head.multiplications) {
      try head.logitsSync($0, lastOnly: false)
    }
  }

  /// The model that the nodes of a route must serve.
  public var identity: Route.ModelIdentity {
    Route.ModelIdentity(
      fingerprint: checkpoint.fingerprint, blockCount: checkpoint.configuration.blockCount,
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

  /// Embeds tokens on a compute thread, for prompts.
  func embedOnPool(_ tokens: [Int32]) async throws -> HiddenStates {
    try await ComputePool.current.run { [self] cancellation in
      try cancellation.check()
      return try embed(tokens)
    }
  }

  /// Batches of next tokens that were computed.
  package var choiceBatches: Int { choices.batches }

  /// A generation whose tokens are chosen together with those of the client's others.
  func participant() -> SamplingBatcher.Queue.Participant { choices.participant() }

  /// The token that a sampler chooses after the last position, and what it is as an input.
  ///
  /// Scores, choice and embedding are one job of a compute thread, together with those of all
  /// generations that wait for a token just then.
  /// - Throws: ``NodeError/Code/internalFault`` in the words of Bloom's `ScoreError` when the scores
  ///   are no finite numbers: hidden states so large that the last layer norm overflows lead there.
  func choose(
    _ sampler: TokenSampler, after hidden: HiddenStates, context: [Int32],
    for participant: SamplingBatcher.Queue.Participant? = nil, isRanked: Bool = false
  ) async throws -> SamplingBatcher.Choice {
    let last = hidden.tokens == 1 ? hidden : hidden.slice(hidden.tokens - 1..<hidden.tokens)
    return try await choices.choose(after: last, for: participant) { [self] scores in
      let id: Int32
      do {
        id = try sampler.choose(scores, context)
      } catch {
        throw NodeError(.internalFault, "\(error)")
      }
      return SamplingBatcher.Choice(
        id: id, embedding: try embed([id]), rank: isRanked ? scores.rank(of: id) : nil)
    }
  }

  /// The tokens that a sampler takes after a context and its proposals, and how many of these are among
  /// them.
  ///
  /// - Parameter hidden: The rows of the context's last token and of the proposals.
  /// - Throws: As ``choose(_:after:context:for:isRanked:)``.
  func verify(
    _ proposals: [Proposal], by sampler: TokenSampler, after hidden: HiddenStates,
    context: [Int32], isRanked: Bool
  ) async throws -> (choices: [SamplingBatcher.Choice], accepted: Int) {
    try await ComputePool.current.run { [self] cancellation in
      try cancellation.check()
      let scores = try head.logitsSync(hidden, lastOnly: false)
      var choices: [SamplingBatcher.Choice] = []
      let accepted: Int
      do {
        accepted = try sampler.verify(proposals, context, scores) { id in
          choices.append(
            SamplingBatcher.Choice(
              id: id, embedding: try embed([id]),
              rank: isRanked ? scores.row(choices.count).rank(of: id) : nil))
          return !checkpoint.configuration.endsSequence(id)
        }
      } catch let error as ScoreError {
        throw NodeError(.internalFault, "\(error)")
      }
      return (choices, accepted)
    }
  }

  /// The text of tokens; nil without a tokenizer.
  func text(of tokens: [Int32]) -> String? { tokenizer?.decode(tokens) }

  /// What a proof names: the texts, or the ids with commas between them where there is no text; and
  /// what the request wants instead.
  func transcript(
    of request: PipelineRequest, _ generated: [Int32], _ text: String?
  ) -> SessionSummary.Transcript {
    SessionSummary.Transcript(
      input: request.prompt ?? Self.list(request.promptIDs),
      output: request.provenOutput?(generated.count) ?? text ?? Self.list(generated))
  }

  private static func list(_ tokens: [Int32]) -> String {
    tokens.map(String.init).joined(separator: ",")
  }
}

extension ArraySlice<Float> {
  /// The place of a token by its score, 1 for the highest; of equal scores the lower id comes first.
  fileprivate func rank(of id: Int32) -> Int {
    let index = startIndex + Int(id)
    let score = self[index]
    var rank = 1
    for other in indices where self[other] > score || (self[other] == score && other < index) {
      rank += 1
    }
    return rank
  }
}

/// A generation's sampler, which is used on compute threads.
final class TokenSampler: Sendable {
  private let sampler: Mutex<Sampler>

  init(_ parameters: SamplingParameters, seed: UInt64) {
    sampler = Mutex(Sampler(parameters, seed: seed))
  }

  /// The next token after `context`, by the scores of the whole vocabulary.
  ///
  /// - Throws: `ScoreError` unless every score is finite.
  func choose(_ scores: ArraySlice<Float>, _ context: [Int32]) throws(ScoreError) -> Int32 {
    let result: Result<Int32, ScoreError> = sampler.withLock { sampler in
      Result { () throws(ScoreError) in try sampler.choose(logits: scores, context: context) }
    }
    return try result.get()
  }

  /// As Bloom's `verify`, with a row of scores for each position.
  func verify(
    _ proposals: [Proposal], _ context: [Int32], _ scores: Logits,
    accept: (Int32) throws -> Bool
  ) throws -> Int {
    try sampler.withLock { sampler in
      try scores.values.withUnsafeBufferPointer { values in
        let size = scores.vocabularySize
        return try Bloom.verify(proposals, by: &sampler, context: context) { row in
          UnsafeBufferPointer(rebasing: values[row * size..<(row + 1) * size])
        } accept: {
          try accept($0)
        }
      }
    }
  }
}
