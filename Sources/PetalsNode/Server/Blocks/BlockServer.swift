import AsyncPrimitives
import Bloom
import EthereumPrimitives
import InferenceMetrics
import PlumiseWire
import Synchronization

/// What a node does, whichever way the request came: over gRPC, or from within the process.
final class BlockServer: Sendable {
  let model: ServedModel
  let metrics: MetricsCollector
  let phase = AsyncState(NodePhase.idle)
  private let agent: Address?
  let budget: CacheBudget
  private let uptime: Stopwatch
  private let times = StepTimeAverage()
  private let prefillChunk: Int
  private let prefixBudget: Int
  /// The beginnings of sessions.
  let pages: PrefixPages
  private let spans = Mutex<ServedSpans?>(nil)
  private let handsOn: Bool
  private let onActivity: (@Sendable (SessionActivity) -> Void)?

  init(
    model: ServedModel, cacheBudget: Int, prefixBudget: Int, pageBudget: Int, prefillChunk: Int,
    agent: Address?, metrics: MetricsCollector, clock: any Clock<Duration>, handsOn: Bool = false,
    onActivity: (@Sendable (SessionActivity) -> Void)? = nil
  ) {
    self.handsOn = handsOn
    self.onActivity = onActivity
    self.model = model
    self.agent = agent
    self.metrics = metrics
    self.prefillChunk = prefillChunk
    self.prefixBudget = prefixBudget
    pages = PrefixPages(budget: pageBudget)
    budget = CacheBudget(budget: cacheBudget, bytesPerToken: model.bytesPerToken) {
      model.cacheType.capacity(for: $0)
    }
    uptime = Stopwatch(clock)
  }

  /// Hands over the weights; passes are possible from here on.
  func install(_ shard: Shard) {
    let prefixes = PrefixReuse(
      shard, maximumLength: model.maximumLength, budget: prefixBudget)
    spans.withLock {
      $0 = ServedSpans(shard, chunk: prefillChunk, prefixes: prefixes, pages: pages)
    }
  }

  /// Sequences that passes can go on with; nil before the weights are there.
  var prefixes: PrefixReuse? { spans.withLock { $0 }?.prefixes }

  /// Forgets what passes and sessions could go on with.
  func forgetPrefixes() {
    prefixes?.removeAll()
    pages.removeAll()
  }

  /// Passes through the blocks that were computed for sessions.
  var batches: Int { spans.withLock { $0 }?.batches ?? 0 }

  /// The node's description of itself.
  var info: PeerInfo {
    PeerInfo(
      modelName: model.name, fingerprint: model.fingerprint, blocks: model.blocks,
      hiddenSize: model.hiddenSize, isReady: phase.value == .ready, agent: agent,
      uptime: uptime.elapsed, cache: budget.usage, maximumLength: model.maximumLength,
      blockStep: times.blockStep, handsOn: handsOn)
  }

  /// Refuses everything before the weights are there, and once the node stops.
  ///
  /// - Throws: ``NodeError/Code/unavailable``.
  @discardableResult
  func checkServing() throws(NodeError) -> ServedSpans {
    switch phase.value {
    case .idle, .loading: throw NodeError(.unavailable, "the node still loads its blocks")
    case .stopping, .stopped: throw Self.stopping
    case .testing, .ready: break
    }
    guard let spans = spans.withLock({ $0 }) else {
      throw NodeError(.unavailable, "the node still loads its blocks")
    }
    return spans
  }

  /// Hidden states through the node's blocks, without a cache: `[tokens, hidden]` both.
  func forward(
    _ hidden: HiddenStates, fingerprint: String? = nil, blocks: Range<Int>? = nil,
    prompts: DeepPrompts? = nil
  ) async throws -> HiddenStates {
    let shard = try span(of: fingerprint, blocks).shard
    try model.check(hidden)
    let reservation = try reserve(hidden.tokens, in: shard.blocks, for: "a forward pass")
    defer { reservation.release() }
    return try await timed(hidden.tokens, in: shard.blocks) {
      let cache = shard.makeCache(maximumLength: hidden.tokens)
      let step = SessionStep(input: hidden, cache: cache, prompts: prompts)
      return try await shard.forward(batch: [step])[0]
    }.output
  }

  /// A whole sequence's hidden states through all of the node's blocks: `[tokens, hidden]` both.
  ///
  /// What an earlier pass has computed is not computed again.
  func forwardSequence(_ hidden: HiddenStates) async throws -> HiddenStates {
    let prefixes = try checkServing().prefixes
    try model.check(hidden)
    let reservation = try reserve(hidden.tokens, in: model.blocks, for: "a forward pass")
    defer { reservation.release() }
    let began = uptime.elapsed
    let pass = try await compute { try await prefixes.forward(hidden) }
    times.record(uptime.elapsed - began, tokens: pass.computedTokens, blocks: model.blocks.count)
    return pass.output
  }

  /// The gradient of the blocks' input: `[tokens, hidden]` all three.
  func backward(
    input: HiddenStates, outputGradient: HiddenStates, fingerprint: String? = nil,
    blocks: Range<Int>? = nil
  ) async throws -> HiddenStates {
    try await backward(
      input: input, outputGradient: outputGradient, fingerprint: fingerprint, blocks: blocks,
      prompts: nil
    ).input
  }

  /// The gradient of the blocks' input, and those of the prompts, one for each block, if any.
  func backward(
    input: HiddenStates, outputGradient: HiddenStates, fingerprint: String?, blocks: Range<Int>?,
    prompts: DeepPrompts?
  ) async throws -> (input: HiddenStates, prompts: [HiddenStates]) {
    let shard = try span(of: fingerprint, blocks).shard
    try model.check(input)
    try model.check(outputGradient)
    guard input.tokens == outputGradient.tokens else {
      throw NodeError(
        .invalidArgument,
        "the gradient has \(outputGradient.tokens) tokens, but the input \(input.tokens)")
    }
    let reservation = try budget.reserve(
      tokens: input.tokens,
      bytesPerToken: shard.backwardBytesPerToken(tokens: input.tokens), for: "a backward pass")
    defer { reservation.release() }
    return try await compute {
      try await shard.backward(input: input, outputGradient: outputGradient, prompts: prompts)
    }
  }

  /// Opens a session, if there is memory for it.
  func openSession(
    _ opening: SessionOpening, blocks: Range<Int>? = nil
  ) throws(NodeError)
    -> ServedSession
  {
    let span = try span(of: opening.fingerprint, blocks ?? opening.blocks?.indices)
    guard (1...model.maximumLength).contains(opening.maximumLength) else {
      throw NodeError(
        .outOfRange,
        "a session of \(opening.maximumLength) tokens: this node takes 1 to "
          + "\(model.maximumLength)")
    }
    let reservation = try reserve(
      opening.maximumLength, in: span.shard.blocks, for: "session \(opening.id)")
    defer { tell(.opened, opening.id, span.shard.blocks) }
    return ServedSession(
      id: opening.id, maximumLength: opening.maximumLength, server: self, span: span,
      reservation: reservation)
  }

  /// The blocks that a caller means, if they are served here.
  private func span(
    of fingerprint: String?, _ blocks: Range<Int>?
  ) throws(NodeError) -> ServedSpan {
    let spans = try checkServing()
    try model.check(fingerprint: fingerprint)
    return try spans.span(try model.span(blocks))
  }

  private func reserve(
    _ tokens: Int, in blocks: BlockRange, for holder: String
  ) throws(NodeError) -> CacheReservation {
    try budget.reserveCache(
      tokens: tokens, bytesPerToken: model.bytesPerBlock * blocks.count, for: holder)
  }

  /// Runs a pass, and remembers how long it took.
  func timed<Output: Sendable>(
    _ tokens: Int, in blocks: BlockRange, _ work: @Sendable () async throws -> Output
  ) async throws -> (output: Output, time: Duration) {
    let began = uptime.elapsed
    let output = try await compute(work)
    let time = uptime.elapsed - began
    times.record(time, tokens: tokens, blocks: blocks.count)
    return (output, time)
  }

  /// Runs arithmetic and puts its faults into words.
  func compute<Output: Sendable>(
    _ work: @Sendable () async throws -> Output
  ) async throws -> Output {
    do {
      return try await work()
    } catch let error as NodeError {
      throw error
    } catch let error as CancellationError {
      throw error
    } catch let error as CacheError {
      switch error {
      case .noMemory: throw NodeError(.resourceExhausted, "\(error)")
      // The node is not at fault: it is what these tokens come to in this model.
      case .beyondRange: throw NodeError(.outOfRange, "blocks \(model.blocks): \(error)")
      default: throw NodeError(.internalFault, "blocks \(model.blocks): \(error)")
      }
    } catch {
      throw NodeError(.internalFault, "blocks \(model.blocks): \(error)")
    }
  }

  /// Counts what a finished session was for.
  ///
  /// A session that made no token counts for nothing: a proof of none would be refused.
  func record(_ summary: SessionSummary) {
    guard summary.generatedTokens > 0 else { return }
    metrics.recordInference(tokens: summary.generatedTokens, latency: summary.latency)
    guard let transcript = summary.transcript, let agent else { return }
    metrics.recordProof(
      InferenceProof(
        modelHash: Keccak256.hash(model.name), inputHash: transcript.inputHash,
        outputHash: transcript.outputHash, agent: agent,
        tokenCount: Int64(summary.generatedTokens)))
  }

  /// Tells who watches the node what a session did.
  ///
  /// - Parameter reused: Of a step's tokens, those that an earlier session had computed.
  func tell(
    _ kind: SessionActivity.Kind, _ session: String, _ blocks: BlockRange, reused: Int = 0
  ) {
    guard let onActivity else { return }
    onActivity(
      SessionActivity(
        session: session, blocks: blocks, kind: kind, reusedTokens: reused, cache: budget.usage))
  }

  /// The error of every request once the node stops.
  static let stopping = NodeError(.unavailable, "the node is stopping: continue elsewhere")
}

/// What a node knows of its model before the weights are there.
struct ServedModel: Sendable {
  let name: String
  let fingerprint: String
  let blocks: BlockRange
  let hiddenSize: Int
  /// How the caches of its sessions store keys and values.
  let cacheType: CacheType
  /// Cache that one token takes in one block.
  let bytesPerBlock: Int
  /// Most tokens that one session or pass may hold.
  let maximumLength: Int

  /// Cache that one token takes in all of the blocks.
  var bytesPerToken: Int { bytesPerBlock * blocks.count }

  /// Refuses a caller who means another model.
  ///
  /// - Throws: ``NodeError/Code/failedPrecondition``.
  func check(fingerprint other: String?) throws(NodeError) {
    guard let other, other != fingerprint else { return }
    throw NodeError(
      .failedPrecondition,
      "this node serves \(name) with fingerprint \(fingerprint), not \(other)")
  }

  /// The blocks that a caller asks for, which may be a span of the node's; nil asks for all.
  ///
  /// - Throws: ``NodeError/Code/outOfRange`` for blocks that are not the node's.
  func span(_ asked: Range<Int>?) throws(NodeError) -> BlockRange {
    guard let asked, asked != blocks.indices else { return blocks }
    if !asked.isEmpty, asked.lowerBound >= blocks.lowerBound,
      asked.upperBound <= blocks.upperBound,
      let span = try? BlockRange(asked, of: blocks.blockCount)
    {
      return span
    }
    let text = asked.isEmpty ? "\(asked)" : "\(asked.lowerBound)-\(asked.upperBound - 1)"
    throw NodeError(
      .outOfRange,
      "this node serves blocks \(blocks) of \(blocks.blockCount), not blocks \(text)")
  }

  /// Refuses hidden states of another model, or too many of them.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` and ``NodeError/Code/outOfRange``.
  func check(_ hidden: HiddenStates) throws(NodeError) {
    guard hidden.hidden == hiddenSize else {
      throw NodeError(
        .invalidArgument,
        "the model's hidden size is \(hiddenSize), but the hidden states have \(hidden.hidden)")
    }
    guard (1...maximumLength).contains(hidden.tokens) else {
      throw NodeError(
        .outOfRange, "\(hidden.tokens) tokens at once: this node takes 1 to \(maximumLength)")
    }
  }
}

/// A span of a node's blocks, and the scheduler of its sessions' steps.
struct ServedSpan: Sendable {
  let shard: Shard
  let steps: DecodeScheduler
  /// The beginnings of the node's sessions.
  let pages: PrefixPages
}

/// A node's blocks, and the spans of them that sessions asked for; all share the weights.
final class ServedSpans: Sendable {
  /// For passes of whole sequences through all of the blocks.
  let prefixes: PrefixReuse
  private let whole: Shard
  private let chunk: Int
  private let pages: PrefixPages
  /// At most one for each run of blocks, and each is small.
  private let spans = Mutex<[BlockRange: ServedSpan]>([:])

  /// - Parameters:
  ///   - chunk: Most tokens of prompts in one batch.
  ///   - prefixes: Of the same blocks.
  ///   - pages: Of all spans.
  init(_ whole: Shard, chunk: Int, prefixes: PrefixReuse, pages: PrefixPages) {
    self.pages = pages
    self.whole = whole
    self.chunk = chunk
    self.prefixes = prefixes
  }

  /// Passes that were computed for the sessions of all spans.
  var batches: Int { spans.withLock { $0.values.reduce(0) { $0 + $1.steps.batches } } }

  /// What serves these blocks, which must be the node's.
  func span(_ blocks: BlockRange) throws(NodeError) -> ServedSpan {
    let span = spans.withLock { spans in
      if let span = spans[blocks] { return span as ServedSpan? }
      guard let shard = whole.part(blocks) else { return nil }
      let span = ServedSpan(
        shard: shard, steps: DecodeScheduler(shard, chunk: chunk), pages: pages)
      spans[blocks] = span
      return span
    }
    guard let span else {
      throw NodeError(.outOfRange, "blocks \(blocks) are not among \(whole.blocks)")
    }
    return span
  }
}

/// A moving average of the time that one token takes in one block, which the node announces.
///
/// Passes of one token alone count: a prompt's tokens share the work.
final class StepTimeAverage: Sendable {
  /// How much a new measurement weighs: one in eight.
  private static let weight = 8
  private let average = Mutex<Duration?>(nil)

  /// Nil before the first measurement.
  var blockStep: Duration? { average.withLock { $0 } }

  /// Records the time of a pass.
  func record(_ time: Duration, tokens: Int, blocks: Int) {
    guard tokens == 1, blocks > 0 else { return }
    let sample = time / blocks
    average.withLock { average in
      average = average.map { $0 + (sample - $0) / Self.weight } ?? sample
    }
  }
}
