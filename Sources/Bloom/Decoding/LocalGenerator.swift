import AsyncPrimitives

/// The whole model in this process: embedding, all blocks, LM head and sampler.
///
/// Each generation has its own cache; any number may run at once. A step of one token neither
/// leaves the compute thread nor allocates anything of the model's size.
public final class LocalGenerator: Sendable {
  /// The model.
  public let checkpoint: Checkpoint
  private let embedding: Embedding
  private let stack: BlockStack
  private let head: LanguageModelHead
  private let clock: any Clock<Duration>
  private let prefixes: PrefixPages
  /// How caches store keys and values.
  public let cacheType: CacheType

  /// What prompts that began alike shared.
  public var prefixUsage: PrefixUsage { prefixes.usage }

  /// Maps a model.
  ///
  /// - Parameters:
  ///   - checkpoint: The model.
  ///   - prefixBudget: Bytes that keys and values of earlier prompts may take, in pages of 64 tokens with
  ///     which a prompt that begins alike goes on; with 0 each prompt is computed whole.
  ///   - cacheType: How keys and values are stored; a draft model has a type of its own.
  ///   - clock: Measures ``Generation``'s durations.
  public init(
    _ checkpoint: Checkpoint, prefixBudget: Int = 0, cacheType: CacheType = .f32,
    clock: any Clock<Duration> = ContinuousClock()
  ) {
    self.checkpoint = checkpoint
    self.clock = clock
    self.cacheType = cacheType
    prefixes = PrefixPages(budget: prefixBudget)
    embedding = Embedding(checkpoint)
    head = LanguageModelHead(checkpoint)
    do {
      stack = try BlockStack(
        checkpoint, range: BlockRange(all: checkpoint.configuration.blockCount))
    } catch {
      preconditionFailure("all blocks are blocks of the model: \(error)")
    }
  }

  /// Generates until the end-of-sequence id or `maxNewTokens`; each new id goes to `onToken`, on a
  /// compute thread, as soon as it is known.
  ///
  /// Throws ``TokenError`` for ids outside the vocabulary or more tokens than the model allows,
  /// ``ScoreError`` for scores that are no finite numbers, ``CacheError`` where there is no memory for
  /// so many tokens or a key or value does not fit the cache's type, ``DraftError`` for the draft of a model with another vocabulary, and
  /// `CancellationError`.
  /// - Parameters:
  ///   - request: What is continued, and how.
  ///   - draft: Proposes tokens, which this model verifies; nil for none.
  ///   - onToken: Gets each new id.
  public func generate(
    _ request: GenerationRequest, draft: DraftModel? = nil,
    onToken: @escaping @Sendable (Int32) -> Void = { _ in }
  ) async throws -> Generation {
    try request.validate(checkpoint.configuration)
    try draft?.check(for: checkpoint)
    try embedding.require(request.prompt)
    let watch = Stopwatch(clock)
    guard request.maxNewTokens > 0 else {
      return Generation(ids: [], timeToFirstToken: .zero, duration: watch.elapsed)
    }
    let session = LocalSession(
      request, embedding, stack, head, cacheType: cacheType, draft: draft, prefixes: prefixes,
      watch: watch, onToken: onToken)
    return try await ComputePool.current.runSteps { try session.step($0) }
  }
}

/// One generation under way.
private final class LocalSession: @unchecked Sendable {
  // Sendable: only one compute thread at a time runs `step`.
  private let request: GenerationRequest
  private let embedding: Embedding
  private let stack: BlockStack
  private let head: LanguageModelHead
  private let watch: Stopwatch
  private let onToken: @Sendable (Int32) -> Void
  private let cache: KeyValueCache
  /// [proposals and one, vocabulary].
  private let logits: FloatBuffer
  private var sampler: Sampler
  private var context: [Int32]
  private var position = 0
  private var firstToken = Duration.zero
  /// What may follow the context, to be verified in the next pass.
  private var proposals: [Proposal] = []
  private let draft: (model: DraftModel, session: DraftSession)?
  private var isProposing = false
  private var statistics = DraftStatistics()
  private let prefixes: PrefixPages
  /// Keys of the prompt's pages, and how many of them were known.
  private var pages: (keys: [PrefixPages.Key], known: Int) = ([], 0)

  init(
    _ request: GenerationRequest, _ embedding: Embedding, _ stack: BlockStack,
    _ head: LanguageModelHead, cacheType: CacheType, draft: DraftModel?, prefixes: PrefixPages,
    watch: Stopwatch, onToken: @escaping @Sendable (Int32) -> Void
  ) {
    self.request = request
    self.embedding = embedding
    self.stack = stack
    self.head = head
    self.prefixes = prefixes
    self.watch = watch
    self.onToken = onToken
    context = request.prompt
    let length = request.prompt.count + request.maxNewTokens
    context.reserveCapacity(length)
    sampler = Sampler(request.sampling, seed: request.seed)
    logits = FloatBuffer(
      count: (1 + (draft?.tokens ?? 0)) * stack.configuration.vocabularySize)
    cache = KeyValueCache(
      stack.configuration, blocks: stack.range, type: cacheType, maximumLength: length)
    self.draft = draft.map {
      ($0, $0.makeSession(request.sampling, seed: request.seed, maximumLength: length))
    }
  }

  /// Sends the next tokens through the model: a chunk of the prompt, or the latest id with what the draft
  /// model proposes behind it.
  func step(_ cancellation: Cancellation) throws -> Generation? {
    if isProposing, let draft {
      guard let next = try draft.session.step(cancellation) else { return nil }
      proposals = next
      isProposing = false
    }
    try cache.allocate()
    if position == 0 { takePages() }
    let hidden = stack.configuration.hiddenSize
    // There are proposals behind the latest id alone, so that they are in its chunk.
    let tokens = proposals.isEmpty ? context : context + proposals.map(\.id)
    let count = min(tokens.count - position, WorkspaceStore.chunk)
    let workspace = stack.workspaces.take(count)
    defer { stack.workspaces.release(workspace) }
    embedding.embed(tokens[position..<position + count], into: workspace.states.pointer)
    let segment = Attention.Segment(cache: cache, rows: 0..<count, position: position)
    try stack.forward(workspace, [segment], [], cancellation)
    position += count
    guard position == tokens.count else { return nil }
    if context.count == request.prompt.count { keepPages() }
    let rows = 1 + proposals.count
    head.score(
      workspace.states.pointer + (count - rows) * hidden, tokens: rows, into: logits.pointer)
    return try choose()
  }

  /// Begins with the keys and values of an earlier prompt; the last id is computed, for its scores.
  private func takePages() {
    guard prefixes.isOn else { return }
    let keys = request.prompt.dropLast().withUnsafeBytes {
      PrefixPages.keys("ids \(cache.type)", of: $0, bytesPerToken: MemoryLayout<Int32>.size)
    }
    let found = prefixes.find(keys)
    for page in found {
      cache.write(page.keyValues, at: position)
      position += PrefixPages.tokens
    }
    pages = (keys, found.count)
    prefixes.count(computed: request.prompt.count - position, reused: position)
  }

  /// Leaves the prompt's pages for others that begin alike.
  private func keepPages() {
    guard pages.known < pages.keys.count else { return }
    let new = (pages.known..<pages.keys.count).map { index in
      let start = index * PrefixPages.tokens
      return PrefixPages.Page(keyValues: cache.page(of: start..<start + PrefixPages.tokens))
    }
    prefixes.keep(new, of: pages.keys)
  }

  /// Takes the new ids from the scores of the pass; the generation once it is over.
  private func choose() throws -> Generation? {
    let size = stack.configuration.vocabularySize
    var generation: Generation?
    let accepted = try verify(proposals, by: &sampler, context: context) { row in
      UnsafeBufferPointer(start: logits.pointer + row * size, count: size)
    } accept: { id in
      generation = accept(id)
      return generation == nil
    }
    statistics.count(proposed: proposals.count, accepted: accepted)
    if draft != nil { generation?.draft = statistics }
    // What was rejected is written over.
    position = context.count - 1
    proposals = []
    if let draft, generation == nil {
      isProposing = draft.session.begin(after: context, count: remaining - 1)
    }
    return generation
  }

  /// New ids that are still to come.
  private var remaining: Int {
    request.maxNewTokens - (context.count - request.prompt.count)
  }

  /// Adds an id to the context; the generation if it is the last one.
  private func accept(_ id: Int32) -> Generation? {
    if context.count == request.prompt.count { firstToken = watch.elapsed }
    if !stack.configuration.endsSequence(id) {
      context.append(id)
      onToken(id)
      if remaining > 0 { return nil }
    }
    return Generation(
      ids: Array(context[request.prompt.count...]), timeToFirstToken: firstToken,
      duration: watch.elapsed)
  }
}

/// A prompt and the limits of a generation.
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

/// The ids of a generation, and its times.
public struct Generation: Sendable, Hashable {
  /// New token ids; the end-of-sequence id that stopped them is not among them.
  public let ids: [Int32]
  /// From the call to the first new token.
  public let timeToFirstToken: Duration
  /// From the call to the last new token.
  public let duration: Duration
  /// What became of a draft model's proposals; nil without such a model.
  public internal(set) var draft: DraftStatistics?

  /// New tokens a second after the first one; zero when there were fewer than two.
  public var tokensPerSecond: Double {
    let seconds = (duration - timeToFirstToken) / Duration.seconds(1)
    return ids.count > 1 && seconds > 0 ? Double(ids.count - 1) / seconds : 0
  }
}
