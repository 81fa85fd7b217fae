import AsyncPrimitives
import Bloom
import Logging

/// One generation: the sessions on the nodes, and the loop from token to token.
///
/// An actor, because a token is asked for while the one before may still be in the making.
actor GenerationRun {
  private enum Phase {
    case idle
    case running
    case finished(GenerationResult)
    case failed(any Error)
  }

  let request: PipelineRequest
  let client: PipelineClient
  let time: Stopwatch
  /// The sessions on the nodes, in the order of their blocks.
  var links: [SessionLink] = []
  /// Nodes that failed or refused this generation, and why.
  var excluded: [String: NodeError] = [:]
  private(set) var generated: [Int32] = []
  private let sampler: TokenSampler
  /// Among the generations that choose their tokens together; nil after the last token.
  private var participant: SamplingBatcher.Queue.Participant?
  /// The token made last, as an input.
  private var lastEmbedding: HiddenStates?
  private var phase = Phase.idle
  private var firstToken: Duration?
  private var lastToken = Duration.zero
  /// The passes for the token in the making, where the request is traced.
  var hops: [TokenTrace.Hop] = []
  private let draft: DraftSession?
  /// What the pass under way has behind the token made last.
  private(set) var proposals: [Proposal] = []
  /// Tokens that a pass has verified and that nobody has asked for yet.
  private var verified: [SamplingBatcher.Choice] = []
  private var statistics = DraftStatistics()

  init(_ request: PipelineRequest, client: PipelineClient) {
    self.request = request
    self.client = client
    time = Stopwatch(client.clock)
    sampler = TokenSampler(request.sampling, seed: request.seed)
    draft = request.draft?.makeSession(
      request.sampling, seed: request.seed,
      maximumLength: request.promptIDs.count + request.maxNewTokens)
    // Passes of several tokens do not fall into step with others.
    participant = draft == nil ? client.model.participant() : nil
  }

  deinit {
    client.closing.closeLater(
      links.map(\.session), Self.summary(request, client.model, generated, lastToken))
  }

  /// The result, once there is one.
  var result: GenerationResult? {
    if case .finished(let result) = phase { result } else { nil }
  }

  /// The nodes that the generation goes through now; nil before it began and after its end.
  var route: Route? { links.isEmpty ? nil : links.route }

  /// The next token; nil after the last one.
  ///
  /// The last token comes when the nodes have heard of the end: who has it finds the sessions
  /// closed and the metrics complete.
  func next() async throws -> GeneratedToken? {
    switch phase {
    case .finished: return nil
    case .failed(let error): throw error
    case .running:
      throw NodeError(.failedPrecondition, "a token is being made: ask for the next one after it")
    case .idle: break
    }
    phase = .running
    do {
      let token = try await withTaskExecutorPreference(client.executor) {
        try await advance()
      }
      if case .running = phase { phase = .idle }
      return token
    } catch {
      phase = .failed(error)
      participant = nil
      let open = links
      links = []
      client.closing.closeLater(
        open.map(\.session), Self.summary(request, client.model, generated, lastToken))
      throw error
    }
  }

  private func advance() async throws -> GeneratedToken? {
    try Task.checkCancellation()
    hops.removeAll(keepingCapacity: true)
    if verified.isEmpty { verified = try await choices() }
    let choice = verified.removeFirst()
    let id = choice.id
    lastEmbedding = choice.embedding
    let elapsed = time.elapsed
    lastToken = elapsed
    if client.model.checkpoint.configuration.endsSequence(id) {
      await finish(.endOfSequence, at: id)
      return nil
    }
    generated.append(id)
    if firstToken == nil { firstToken = elapsed }
    if generated.count == request.maxNewTokens { await finish(.length) }
    return GeneratedToken(
      id: id, index: generated.count - 1, elapsed: elapsed,
      trace: choice.rank.map { TokenTrace(rank: $0, hops: hops) })
  }

  /// The next tokens: one, or as many as a pass verifies.
  private func choices() async throws -> [SamplingBatcher.Choice] {
    let context = request.promptIDs + generated
    if let draft, !generated.isEmpty {
      proposals = try await withRequest(nil, monitoredBy: client.clock.monitor) { [request] in
        try await draft.propose(
          after: context, count: request.maxNewTokens - generated.count - 1)
      }
    }
    // Proposals that were rejected are still in the nodes' caches.
    let start = draft == nil || generated.isEmpty ? nil : context.count - 1
    let hidden = try await pass(try await input(), from: start)
    return try await withRequest(nil, monitoredBy: client.clock.monitor) {
      [participant, proposals] in
      if proposals.isEmpty {
        return [
          try await client.model.choose(
            sampler, after: hidden, context: context, for: participant,
            isRanked: request.isTraced)
        ]
      }
      let found = try await client.model.verify(
        proposals, by: sampler, after: hidden, context: context, isRanked: request.isTraced)
      statistics.count(proposed: proposals.count, accepted: found.accepted)
      return found.choices
    }
  }

  /// What goes in: the whole prompt at first, then the token made last and what is proposed behind it.
  private func input() async throws -> HiddenStates {
    if let lastEmbedding, proposals.isEmpty { return lastEmbedding }
    return try await withRequest(nil, monitoredBy: client.clock.monitor) { [proposals] in
      try await client.model.embedOnPool(
        (generated.last.map { [$0] } ?? request.promptIDs) + proposals.map(\.id))
    }
  }

  private func finish(_ reason: FinishReason, at endID: Int32? = nil) async {
    participant = nil
    let text = client.model.text(of: generated)
    phase = .finished(
      GenerationResult(
        promptIDs: request.promptIDs, generatedIDs: generated,
        text: text, timeToFirstToken: firstToken,
        duration: lastToken, route: links.route, finishReason: reason, endID: endID,
        draft: draft == nil ? nil : statistics))
    let open = links
    links = []
    client.directory.recordSuccess(of: open.map(\.hop.peer))
    await client.closing.close(
      open.map(\.session), Self.summary(request, client.model, generated, lastToken, text))
  }

  /// What the nodes count: the same for all of them, and nothing when there was no token.
  private static func summary(
    _ request: PipelineRequest, _ model: ClientModel, _ generated: [Int32], _ latency: Duration,
    _ text: String? = nil
  ) -> SessionSummary? {
    if generated.isEmpty { return nil }
    // It throws for a negative count or latency alone, which a count and a stopwatch are not.
    return try? SessionSummary(
      generatedTokens: generated.count, latency: latency,
      transcript: model.transcript(of: request, generated, text ?? model.text(of: generated)))
  }
}

/// Ends sessions with a summary, also those whose generation was given up.
final class SessionCloser: Sendable {
  /// How long a node may take to hear the end of a session.
  static let timeout = Duration.seconds(5)

  private let tasks: TaskScope
  private let clock: any Clock<Duration>
  private let logger: Logger

  init(clock: any Clock<Duration>, logger: Logger) {
    self.clock = clock
    self.logger = logger
    tasks = TaskScope(on: clock.monitor)
  }

  /// Tells every node of a route what its session was for; nil summaries just end them.
  ///
  /// A node that had two sessions, for blocks apart from each other, hears it once: it counts once.
  /// A node that does not hear it has the session ended: the tokens are made, and their reader
  /// is not to suffer for it.
  func close(_ sessions: [any BlockSession], _ summary: SessionSummary?) async {
    var told: Set<String> = []
    await withDiscardingTaskGroup { group in
      for session in sessions {
        let isFirst = told.insert(session.peer).inserted
        group.addTask { await self.close(session, isFirst ? summary : nil) }
      }
    }
  }

  /// Closes sessions in the background, for callers that cannot wait.
  func closeLater(_ sessions: [any BlockSession], _ summary: SessionSummary?) {
    if sessions.isEmpty { return }
    tasks.spawn { await self.close(sessions, summary) }
  }

  /// Waits for what ``closeLater(_:_:)`` began.
  func wait() async { await tasks.wait() }

  private func close(_ session: any BlockSession, _ summary: SessionSummary?) async {
    defer { session.cancel() }
    guard let summary else { return }
    let late = NodeError(.deadlineExceeded, "no word within \(Self.timeout)", peer: session.peer)
    do {
      _ = try await withDeadline(Self.timeout, on: clock, orThrow: late) {
        try await session.finish(summary)
      }
    } catch {
      logger.warning("a session's summary did not arrive", metadata: ["error": "\(error)"])
    }
  }
}
