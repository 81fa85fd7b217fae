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
  private let shard = Mutex<Shard?>(nil)

  init(
    model: ServedModel, bytesPerToken: Int, cacheBudget: Int, agent: Address?,
    metrics: MetricsCollector, clock: any Clock<Duration>
  ) {
    self.model = model
    self.agent = agent
    self.metrics = metrics
    budget = CacheBudget(budget: cacheBudget, bytesPerToken: bytesPerToken)
    uptime = Stopwatch(clock)
  }

  /// Hands over the weights; passes are possible from here on.
  func install(_ shard: Shard) {
    self.shard.withLock { $0 = shard }
  }

  /// The node's description of itself.
  var info: PeerInfo {
    PeerInfo(
      modelName: model.name, fingerprint: model.fingerprint, blocks: model.blocks,
      hiddenSize: model.hiddenSize, isReady: phase.value == .ready, agent: agent,
      uptime: uptime.elapsed, cache: budget.usage, maximumLength: model.maximumLength)
  }

  /// Refuses everything before the weights are there, and once the node stops.
  ///
  /// - Throws: ``NodeError/Code/unavailable``.
  @discardableResult
  func checkServing() throws(NodeError) -> Shard {
    switch phase.value {
    case .idle, .loading: throw NodeError(.unavailable, "the node still loads its blocks")
    case .stopping, .stopped: throw Self.stopping
    case .testing, .ready: break
    }
    guard let shard = shard.withLock({ $0 }) else {
      throw NodeError(.unavailable, "the node still loads its blocks")
    }
    return shard
  }

  /// Hidden states through the node's blocks, without a cache: `[tokens, hidden]` both.
  func forward(
    _ hidden: HiddenStates, fingerprint: String? = nil, blocks: Range<Int>? = nil
  ) async throws -> HiddenStates {
    let shard = try checkServing()
    try model.check(fingerprint: fingerprint)
    try model.check(blocks: blocks)
    try model.check(hidden)
    let reservation = try budget.reserve(tokens: hidden.tokens, for: "a forward pass")
    defer { reservation.release() }
    return try await compute { try await shard.forward(hidden) }
  }

  /// The gradient of the blocks' input: `[tokens, hidden]` all three.
  func backward(
    input: HiddenStates, outputGradient: HiddenStates, fingerprint: String? = nil,
    blocks: Range<Int>? = nil
  ) async throws -> HiddenStates {
    let shard = try checkServing()
    try model.check(fingerprint: fingerprint)
    try model.check(blocks: blocks)
    try model.check(input)
    try model.check(outputGradient)
    guard input.tokens == outputGradient.tokens else {
      throw NodeError(
        .invalidArgument,
        "the gradient has \(outputGradient.tokens) tokens, but the input \(input.tokens)")
    }
    let reservation = try budget.reserve(tokens: input.tokens, for: "a backward pass")
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
    let shard = try checkServing()
    try model.check(fingerprint: opening.fingerprint)
    try model.check(blocks: blocks ?? opening.blocks?.indices)
    guard (1...model.maximumLength).contains(opening.maximumLength) else {
      throw NodeError(
        .outOfRange,
        "a session of \(opening.maximumLength) tokens: this node takes 1 to "
          + "\(model.maximumLength)")
    }
    let reservation = try budget.reserve(
      tokens: opening.maximumLength, for: "session \(opening.id)")
    return ServedSession(
      id: opening.id, maximumLength: opening.maximumLength, server: self, shard: shard,
      reservation: reservation)
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
