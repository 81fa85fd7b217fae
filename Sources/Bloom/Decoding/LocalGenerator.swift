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

  /// `clock` measures ``Generation``'s durations.
  public init(_ checkpoint: Checkpoint, clock: any Clock<Duration> = ContinuousClock()) {
    self.checkpoint = checkpoint
    self.clock = clock
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
  /// so many tokens, and `CancellationError`.
  public func generate(
    _ request: GenerationRequest, onToken: @escaping @Sendable (Int32) -> Void = { _ in }
  ) async throws -> Generation {
    try request.validate(checkpoint.configuration)
    try embedding.require(request.prompt)
    let watch = Stopwatch(clock)
    guard request.maxNewTokens > 0 else {
      return Generation(ids: [], timeToFirstToken: .zero, duration: watch.elapsed)
    }
    let session = LocalSession(
      request, embedding, stack, head, watch: watch, onToken: onToken)
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
  private let logits: FloatBuffer
  private var sampler: Sampler
  private var context: [Int32]
  private var position = 0
  private var firstToken = Duration.zero

  init(
    _ request: GenerationRequest, _ embedding: Embedding, _ stack: BlockStack,
    _ head: LanguageModelHead, watch: Stopwatch,
    onToken: @escaping @Sendable (Int32) -> Void
  ) {
    self.request = request
    self.embedding = embedding
    self.stack = stack
    self.head = head
    self.watch = watch
    self.onToken = onToken
    context = request.prompt
    context.reserveCapacity(request.prompt.count + request.maxNewTokens)
    sampler = Sampler(request.sampling, seed: request.seed)
    logits = FloatBuffer(count: stack.configuration.vocabularySize)
    cache = KeyValueCache(
      stack.configuration, blocks: stack.range,
      maximumLength: request.prompt.count + request.maxNewTokens)
  }

  /// Sends the next tokens through the model: a chunk of the prompt, or the latest id.
  func step(_ cancellation: Cancellation) throws -> Generation? {
    try cache.allocate()
    let hidden = stack.configuration.hiddenSize
    let count = min(context.count - position, WorkspaceStore.chunk)
    let workspace = stack.workspaces.take(count)
    defer { stack.workspaces.release(workspace) }
    embedding.embed(context[position..<position + count], into: workspace.states.pointer)
    let segment = Attention.Segment(cache: cache, rows: 0..<count, position: position)
    try stack.forward(workspace, [segment], [], cancellation)
    position += count
    guard position == context.count else { return nil }
    let last = workspace.states.pointer + (count - 1) * hidden
    head.score(last, tokens: 1, into: logits.pointer)
    let scores = UnsafeBufferPointer(start: logits.pointer, count: logits.count)
    return accept(try sampler.choose(logits: scores, context: context))
  }

  private func accept(_ id: Int32) -> Generation? {
    if context.count == request.prompt.count { firstToken = watch.elapsed }
    if !stack.configuration.endsSequence(id) {
      context.append(id)
      onToken(id)
      if context.count - request.prompt.count < request.maxNewTokens { return nil }
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

  /// New tokens a second after the first one; zero when there were fewer than two.
  public var tokensPerSecond: Double {
    let seconds = (duration - timeToFirstToken) / Duration.seconds(1)
    return ids.count > 1 && seconds > 0 ? Double(ids.count - 1) / seconds : 0
  }
}
