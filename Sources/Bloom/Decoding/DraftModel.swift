/// A smaller model that proposes tokens, which a target model verifies in one pass.
///
/// A pass over several tokens takes a target model hardly longer than one over a single token, where memory
/// is the limit: each weight is read once for all. The ids are those of the target model, or ids of its
/// distribution (Numerics.md, Speculative decoding).
public final class DraftModel: Sendable {
  /// How many tokens may be proposed at a time.
  public static let tokenLimits = 1...16
  /// How many are proposed at a time by default.
  public static let defaultTokens = 4

  /// The model.
  public let checkpoint: Checkpoint
  /// Tokens that are proposed for one pass of the target model.
  public let tokens: Int
  /// How its caches store keys and values.
  public let cacheType: CacheType
  fileprivate let embedding: Embedding
  fileprivate let stack: BlockStack
  fileprivate let head: LanguageModelHead

  /// Maps a model as the draft of another one.
  ///
  /// - Parameters:
  ///   - checkpoint: The draft; ids mean the same in both models when their vocabularies are the same, of
  ///     which the sizes are compared.
  ///   - target: The model whose tokens are proposed.
  ///   - tokens: How many are proposed at a time, within ``tokenLimits``.
  ///   - cacheType: How its caches store keys and values.
  /// - Throws: ``DraftError``.
  public init(
    _ checkpoint: Checkpoint, for target: Checkpoint, tokens: Int = defaultTokens,
    cacheType: CacheType = .f32
  ) throws(DraftError) {
    try Self.check(checkpoint, for: target)
    guard Self.tokenLimits.contains(tokens) else { throw .tokens(tokens) }
    self.checkpoint = checkpoint
    self.tokens = tokens
    self.cacheType = cacheType
    embedding = Embedding(checkpoint)
    head = LanguageModelHead(checkpoint)
    do {
      stack = try BlockStack(
        checkpoint, range: BlockRange(all: checkpoint.configuration.blockCount))
    } catch {
      preconditionFailure("all blocks are blocks of the model: \(error)")
    }
  }

  /// Requires that a model's ids can be proposed.
  /// - Throws: ``DraftError``.
  package func check(for target: Checkpoint) throws(DraftError) {
    try Self.check(checkpoint, for: target)
  }

  private static func check(_ draft: Checkpoint, for target: Checkpoint) throws(DraftError) {
    let sizes = [draft, target].map(\.configuration.vocabularySize)
    guard sizes[0] == sizes[1] else {
      throw .otherVocabulary(
        draft: draft.name, size: sizes[0], target: target.name, targetSize: sizes[1])
    }
  }

  /// Proposals for one generation.
  ///
  /// - Parameters:
  ///   - sampling: How the target's tokens are chosen, and so those of the draft.
  ///   - seed: The generation's seed; the draft's draws are others.
  ///   - maximumLength: The longest context and its proposals.
  package func makeSession(
    _ sampling: SamplingParameters, seed: UInt64, maximumLength: Int
  ) -> DraftSession {
    DraftSession(
      self, Sampler(sampling, seed: seed ^ 0xd1b5_4a32_d192_ed03),
      maximumLength: min(maximumLength, checkpoint.configuration.sequenceLength))
  }
}

/// Why a model cannot be the draft of another one.
public enum DraftError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The models' vocabularies are of different sizes.
  case otherVocabulary(draft: String, size: Int, target: String, targetSize: Int)
  /// So many tokens cannot be proposed at a time.
  case tokens(Int)

  /// One line that says what is wrong, and what to do.
  public var description: String {
    switch self {
    case .otherVocabulary(let draft, let size, let target, let targetSize):
      "draft \(draft) has a vocabulary of \(size) tokens, \(target) one of \(targetSize): name a draft "
        + "with the same vocabulary"
    case .tokens(let count):
      "\(count) tokens at a time: expected \(DraftModel.tokenLimits.lowerBound) to "
        + "\(DraftModel.tokenLimits.upperBound)"
    }
  }
}

/// The draft model's part of one generation: its cache, and its draws.
package final class DraftSession: @unchecked Sendable {
  // Sendable: a generation asks for one round of proposals at a time, and one compute thread at a time
  // runs `step`.
  private let model: DraftModel
  private let maximumLength: Int
  private let cache: KeyValueCache
  private let logits: FloatBuffer
  private var sampler: Sampler
  /// What the pass is to have seen: the context, and what was proposed.
  private var tokens: [Int32] = []
  /// Of these, what the cache holds.
  private var position = 0
  private var proposals: [Proposal] = []
  private var count = 0

  /// Tokens that went through the draft model's blocks.
  package private(set) var computedTokens = 0

  fileprivate init(_ model: DraftModel, _ sampler: Sampler, maximumLength: Int) {
    self.model = model
    self.maximumLength = maximumLength
    self.sampler = sampler
    logits = FloatBuffer(count: model.checkpoint.configuration.vocabularySize)
    cache = KeyValueCache(
      model.stack.configuration, blocks: model.stack.range, type: model.cacheType,
      maximumLength: maximumLength)
  }

  /// Up to `count` tokens that may follow a context; fewer where the draft model ends a sequence, or has no
  /// place for more.
  ///
  /// - Throws: ``ScoreError``, ``CacheError``, `CancellationError`.
  package func propose(after context: [Int32], count: Int) async throws -> [Proposal] {
    guard begin(after: context, count: count) else { return [] }
    return try await ComputePool.current.runSteps { [self] in try step($0) }
  }

  /// Begins a round, in which ``step(_:)`` is to be called until it returns proposals.
  ///
  /// - Returns: Whether there is anything to propose.
  func begin(after context: [Int32], count: Int) -> Bool {
    // The last proposal is not computed.
    self.count = min(count, maximumLength - context.count + 1, model.tokens)
    guard self.count > 0, !context.isEmpty else { return false }
    let common = zip(tokens.prefix(position), context).prefix { $0 == $1 }.count
    position = min(common, context.count - 1)
    tokens = context
    proposals = []
    return true
  }

  /// Computes a chunk of the context, or a token.
  func step(_ cancellation: Cancellation) throws -> [Proposal]? {
    try cache.allocate()
    let stack = model.stack
    let length = min(tokens.count - position, WorkspaceStore.chunk)
    let workspace = stack.workspaces.take(length)
    defer { stack.workspaces.release(workspace) }
    model.embedding.embed(tokens[position..<position + length], into: workspace.states.pointer)
    let segment = Attention.Segment(cache: cache, rows: 0..<length, position: position)
    try stack.forward(workspace, [segment], [], cancellation)
    position += length
    computedTokens += length
    guard position == tokens.count else { return nil }
    let last = workspace.states.pointer + (length - 1) * stack.configuration.hiddenSize
    model.head.score(last, tokens: 1, into: logits.pointer)
    let proposal = try sampler.propose(
      logits: UnsafeBufferPointer(start: logits.pointer, count: logits.count), context: tokens)
    proposals.append(proposal)
    if proposals.count == count || stack.configuration.endsSequence(proposal.id) {
      return proposals
    }
    tokens.append(proposal.id)
    return nil
  }
}
