import Bloom

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

  private let request: PipelineRequest
  private let client: PipelineClient
  private let time: Stopwatch
  private var sampler: Sampler
  private var phase = Phase.idle
  private var sessions: [any BlockSession] = []
  private var generated: [Int32] = []
  private var firstToken: Duration?
  private var lastToken = Duration.zero

  init(_ request: PipelineRequest, client: PipelineClient) {
    self.request = request
    self.client = client
    time = Stopwatch(client.clock)
    sampler = Sampler(request.sampling, seed: request.seed)
  }

  deinit {
    client.closing.closeLater(
      sessions, Self.summary(request, client.ends, generated, lastToken))
  }

  /// The result, once there is one.
  var result: GenerationResult? {
    if case .finished(let result) = phase { result } else { nil }
  }

  /// The next token; nil after the last one.
  ///
  /// The last token comes when the nodes have heard of the end: who has it finds the sessions
  /// closed and the metrics complete.
  func next() async throws -> GeneratedToken? {
    switch phase {
    case .finished: return nil
    case .failed(let error): throw error
    case .idle, .running: break
    }
    do {
      return try await advance()
    } catch {
      phase = .failed(error)
      let open = sessions
      sessions = []
      client.closing.closeLater(
        open, Self.summary(request, client.ends, generated, lastToken))
      throw error
    }
  }

  private func advance() async throws -> GeneratedToken? {
    try Task.checkCancellation()
    var hidden = try await input()
    for session in sessions { hidden = try await session.step(hidden).hidden }
    let logits = try await client.ends.logits(hidden, lastOnly: true)
    let id = try client.ends.choose(
      &sampler, from: logits, after: request.promptIDs + generated)
    let elapsed = time.elapsed
    lastToken = elapsed
    if id == client.ends.checkpoint.configuration.eosTokenID {
      await finish(.endOfSequence)
      return nil
    }
    generated.append(id)
    if firstToken == nil { firstToken = elapsed }
    if generated.count == request.maximumNewTokens { await finish(.length) }
    return GeneratedToken(id: id, index: generated.count - 1, elapsed: elapsed)
  }

  /// What goes in: the whole prompt at first, then the token made last.
  private func input() async throws -> HiddenStates {
    if let last = generated.last { return try client.ends.embed([last]) }
    let hidden = try client.ends.embed(request.promptIDs)
    phase = .running
    // The token made last is never an input.
    sessions = try await client.openSessions(
      maximumLength: request.promptIDs.count + request.maximumNewTokens - 1)
    return hidden
  }

  private func finish(_ reason: FinishReason) async {
    phase = .finished(
      GenerationResult(
        promptIDs: request.promptIDs, generatedIDs: generated,
        text: client.ends.text(of: generated), timeToFirstToken: firstToken,
        duration: lastToken, route: client.route, finishReason: reason))
    let open = sessions
    sessions = []
    await client.closing.close(
      open, Self.summary(request, client.ends, generated, lastToken))
  }

  /// What the nodes count: the same for all of them, and nothing when there was no token.
  private static func summary(
    _ request: PipelineRequest, _ ends: ModelEnds, _ generated: [Int32], _ latency: Duration
  ) -> SessionSummary? {
    if generated.isEmpty { return nil }
    // It throws for a negative count or latency alone, which a count and a stopwatch are not.
    return try? SessionSummary(
      generatedTokens: generated.count, latency: latency,
      transcript: ends.transcript(of: request, generated))
  }
}
