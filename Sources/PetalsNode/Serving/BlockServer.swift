import Bloom
import EthereumPrimitives
import InferenceMetrics
import PlumiseWire
import Synchronization

/// What a node does, whichever way the request came: over gRPC, or from within the process.
final class BlockServer: Sendable {
  let model: ServedModel
  let metrics: MetricsCollector
  let phase = Watched(NodePhase.idle)
  private let agent: Address?
  let budget: CacheBudget
  private let uptime: Stopwatch
  private let times = StepTimes()
  private let prefillChunk: Int
  private let parts = Mutex<ShardParts?>(nil)

  init(
    model: ServedModel, cacheBudget: Int, prefillChunk: Int, agent: Address?,
    metrics: MetricsCollector, clock: any Clock<Duration>
  ) {
    self.model = model
    self.agent = agent
    self.metrics = metrics
    self.prefillChunk = prefillChunk
    budget = CacheBudget(
      budget: cacheBudget, bytesPerToken: model.bytesPerBlock * model.blocks.count)
    uptime = Stopwatch(clock)
  }

  /// Hands over the weights; passes are possible from here on.
  func install(_ shard: Shard) {
    parts.withLock { $0 = ShardParts(shard, chunk: prefillChunk) }
  }

  /// The node's description of itself.
  var info: PeerInfo {
    PeerInfo(
      modelName: model.name, fingerprint: model.fingerprint, blocks: model.blocks,
      hiddenSize: model.hiddenSize, isReady: phase.value == .ready, agent: agent,
      uptime: uptime.elapsed, cache: budget.usage, maximumLength: model.maximumLength,
      blockStep: times.blockStep)
  }

  /// Refuses everything before the weights are there, and once the node stops.
  ///
  /// - Throws: ``NodeError/Code/unavailable``.
  @discardableResult
  func checkServing() throws(NodeError) -> ShardParts {
    switch phase.value {
    case .idle, .loading: throw NodeError(.unavailable, "the node still loads its blocks")
    case .stopping, .stopped: throw Self.stopping
    case .testing, .ready: break
    }
    guard let parts = parts.withLock({ $0 }) else {
      throw NodeError(.unavailable, "the node still loads its blocks")
    }
    return parts
  }

  /// Hidden states through the node's blocks, without a cache: `[tokens, hidden]` both.
  func forward(
    _ hidden: HiddenStates, fingerprint: String? = nil, blocks: Range<Int>? = nil
  ) async throws -> HiddenStates {
    let shard = try part(of: fingerprint, blocks).shard
    try model.check(hidden)
    let reservation = try reserve(hidden.tokens, in: shard.layers, for: "a forward pass")
    defer { reservation.release() }
    return try await timed(hidden.tokens, in: shard.layers) {
      try await shard.forward(hidden)
    }.output
  }

  /// The gradient of the blocks' input: `[tokens, hidden]` all three.
  func backward(
    input: HiddenStates, outputGradient: HiddenStates, fingerprint: String? = nil,
    blocks: Range<Int>? = nil
  ) async throws -> HiddenStates {
    let shard = try part(of: fingerprint, blocks).shard
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
      try await shard.backward(input: input, outputGradient: outputGradient)
    }
  }

  /// Opens a session, if there is memory for it.
  func openSession(
    _ opening: SessionOpening, blocks: Range<Int>? = nil
  ) throws(NodeError)
    -> ServedSession
  {
    let part = try part(of: opening.fingerprint, blocks ?? opening.blocks?.indices)
    guard (1...model.maximumLength).contains(opening.maximumLength) else {
      throw NodeError(
        .outOfRange,
        "a session of \(opening.maximumLength) tokens: this node takes 1 to "
          + "\(model.maximumLength)")
    }
    let reservation = try reserve(
      opening.maximumLength, in: part.shard.layers, for: "session \(opening.id)")
    return ServedSession(
      id: opening.id, maximumLength: opening.maximumLength, server: self, part: part,
      reservation: reservation)
  }

  /// The blocks that a caller means, if they are served here.
  private func part(
    of fingerprint: String?, _ blocks: Range<Int>?
  ) throws(NodeError) -> ServedPart {
    let parts = try checkServing()
    try model.check(fingerprint: fingerprint)
    return try parts.part(try model.part(blocks))
  }

  private func reserve(
    _ tokens: Int, in blocks: LayerRange, for holder: String
  ) throws(NodeError) -> CacheReservation {
    try budget.reserve(
      tokens: tokens, bytesPerToken: model.bytesPerBlock * blocks.count, for: holder)
  }

  /// Runs a pass, and remembers how long it took.
  func timed<Output: Sendable>(
    _ tokens: Int, in blocks: LayerRange, _ work: @Sendable () async throws -> Output
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
      if case .noMemory = error { throw NodeError(.resourceExhausted, "\(error)") }
      throw NodeError(.internalFault, "blocks \(model.blocks): \(error)")
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

  /// What everyone is told once the node stops.
  static let stopping = NodeError(.unavailable, "the node is stopping: continue elsewhere")
}
