import Bloom
import Synchronization

/// A session on the node's side: it owns its cache and gives it back at the end.
final class ServedSession: Sendable {
  /// The client's name of the session.
  let id: String
  private let server: BlockServer
  private let span: ServedSpan
  private let reservation: CacheReservation

  private struct State: Sendable {
    var progress: SessionProgress
    /// Nil once the session gave its memory back; a step under way holds on to it until it ends.
    var cache: KeyValueCache?
    /// Among the sessions whose steps are computed together; nil once it brings no more.
    var participant: DecodeScheduler.Queue.Participant?
    var isBusy = false
    var isFinished = false
    var isReleased = false
  }

  private let state: Mutex<State>

  init(
    id: String, maximumLength: Int, server: BlockServer, span: ServedSpan,
    reservation: CacheReservation
  ) {
    self.id = id
    self.server = server
    self.span = span
    self.reservation = reservation
    state = Mutex(
      State(
        progress: SessionProgress(maximumLength: maximumLength),
        cache: span.shard.makeCache(maximumLength: maximumLength),
        participant: span.steps.participant()))
  }

  /// Bytes that the session holds.
  var reservedBytes: Int { reservation.bytes }

  /// Hidden states through the node's blocks, after what the cache holds.
  ///
  /// - Parameters:
  ///   - hidden: `[tokens, hidden]`.
  ///   - start: Where the cache is rolled back to first; nil goes on at its end.
  ///   - prompts: Added to the first of these rows before each block.
  /// - Throws: ``NodeError``; after an error other than a refusal the session is of no more use.
  func step(
    _ hidden: HiddenStates, startFrom start: Int? = nil, prompts: DeepPrompts? = nil
  ) async throws -> StepResult {
    try server.checkServing()
    try server.model.check(hidden)
    let (cache, participant, position) = try begin(tokens: hidden.tokens, from: start)
    defer { state.withLock { $0.isBusy = false } }
    do {
      let (result, time) = try await server.timed(hidden.tokens, in: span.shard.blocks) { [span] in
        if let start { try cache.truncate(to: start) }
        return try await span.step(
          hidden, at: position, cache: cache, prompts: prompts, from: participant)
      }
      server.tell(
        .step(tokens: hidden.tokens, position: position + hidden.tokens, time: time), id,
        span.shard.blocks, reused: result.reused)
      return StepResult(
        hidden: result.output, position: position + hidden.tokens, computeTime: time)
    } catch {
      // The cache may lack what the position counts.
      state.withLock { $0.isFinished = true }
      throw error
    }
  }

  /// Refuses a step that could not be taken now; nothing changes.
  ///
  /// - Throws: ``NodeError``.
  func check(_ hidden: HiddenStates, startFrom start: Int?) throws(NodeError) {
    try server.checkServing()
    try server.model.check(hidden)
    try state.withLock { state throws(NodeError) in
      if state.isFinished {
        throw NodeError(.failedPrecondition, "session \(id) is finished")
      }
      var progress = state.progress
      _ = try progress.advance(by: hidden.tokens, from: start)
    }
  }

  /// Rolls the cache back, as the next step would first.
  ///
  /// - Throws: ``NodeError/Code/outOfRange`` and ``NodeError/Code/failedPrecondition``.
  func rollBack(to start: Int) throws {
    let (cache, _, _) = try begin(tokens: 0, from: start)
    defer { state.withLock { $0.isBusy = false } }
    try cache.truncate(to: start)
  }

  /// Gives each session the tokens that another one holds, as beam search does between two steps.
  ///
  /// - Parameters:
  ///   - sessions: Sessions on the same blocks, with as many tokens each and no step under way.
  ///   - sources: For each session, whose tokens it gets.
  /// - Throws: ``NodeError/Code/resourceExhausted`` where the copies find no memory; nothing has
  ///   changed then.
  static func reorder(_ sessions: [ServedSession], by sources: [Int]) throws {
    let moved = sources.indices.filter { sources[$0] != $0 }
    guard let server = sessions.first?.server, !moved.isEmpty else { return }
    let bytes = moved.reduce(0) { $0 + sessions[$1].reservation.bytes }
    // Both are in memory until the last copy is made.
    let reservation = try server.budget.reserve(
      tokens: bytes, bytesPerToken: 1, for: "reordering \(moved.count) sequences")
    defer { reservation.release() }
    var copies: [(session: ServedSession, cache: KeyValueCache)] = []
    for index in moved {
      guard let cache = sessions[sources[index]].state.withLock({ $0.cache }) else {
        throw NodeError(.failedPrecondition, "session \(sessions[index].id) is finished")
      }
      do {
        copies.append((sessions[index], try cache.copy()))
      } catch {
        throw NodeError(.resourceExhausted, "\(error)")
      }
    }
    for copy in copies { copy.session.state.withLock { $0.cache = copy.cache } }
  }

  private func begin(
    tokens: Int, from start: Int?
  ) throws(NodeError) -> (
    cache: KeyValueCache, participant: DecodeScheduler.Queue.Participant?, position: Int
  ) {
    try state.withLock { state throws(NodeError) in
      guard let cache = state.cache, !state.isFinished else {
        throw NodeError(.failedPrecondition, "session \(id) is finished")
      }
      if state.isBusy {
        throw NodeError(.failedPrecondition, "session \(id) still computes a step: wait for it")
      }
      let position = try state.progress.advance(by: tokens, from: start)
      state.isBusy = true
      return (cache, state.participant, position)
    }
  }

  /// Ends the session, and counts what it was for.
  ///
  /// - Returns: Tokens that went through the node's blocks.
  /// - Throws: ``NodeError`` for a summary that cannot be, or a second one.
  func finish(_ summary: SessionSummary) throws(NodeError) -> Int {
    let tokens = try state.withLock { state throws(NodeError) in
      if state.isFinished {
        throw NodeError(.failedPrecondition, "session \(id) is finished already")
      }
      try state.progress.check(summary)
      state.isFinished = true
      return state.progress.processedTokens
    }
    server.record(summary)
    server.tell(.finished(generated: summary.generatedTokens), id, span.shard.blocks)
    release()
    return tokens
  }

  /// Gives the cache back; a second time does nothing.
  func release() {
    let isFirst = state.withLock { state in
      let wasReleased = state.isReleased
      state.isReleased = true
      state.isFinished = true
      state.cache = nil
      state.participant = nil
      return !wasReleased
    }
    reservation.release()
    if isFirst { server.tell(.ended, id, span.shard.blocks) }
  }
}

/// Where a session stands: the rules of positions, apart from any cache.
struct SessionProgress: Sendable {
  /// Most tokens that the cache may hold.
  let maximumLength: Int
  /// Tokens in the cache.
  private(set) var position = 0
  /// Tokens that went through the blocks, those rolled back included.
  private(set) var processedTokens = 0

  /// A session that has seen nothing.
  init(maximumLength: Int) { self.maximumLength = maximumLength }

  /// Admits a step.
  ///
  /// - Parameters:
  ///   - tokens: Rows of the step.
  ///   - start: Where the cache is rolled back to first; nil goes on at its end.
  /// - Returns: The position of the step's first token.
  /// - Throws: ``NodeError/Code/outOfRange``; nothing has changed then.
  mutating func advance(by tokens: Int, from start: Int? = nil) throws(NodeError) -> Int {
    let start = start ?? position
    guard (0...position).contains(start) else {
      throw NodeError(
        .outOfRange,
        "cannot start from position \(start): the cache holds \(position) tokens")
    }
    guard tokens <= maximumLength - start else {
      throw NodeError(
        .outOfRange,
        "\(tokens) tokens at position \(start) go beyond the session's maximum of "
          + "\(maximumLength)")
    }
    position = start + tokens
    processedTokens += tokens
    return start
  }

  /// Checks a summary against what went through.
  ///
  /// Each generated token, the last one aside, passed through the blocks, and so did a prompt of
  /// at least one token: no session can have made more than it processed.
  /// - Throws: ``NodeError/Code/invalidArgument``.
  func check(_ summary: SessionSummary) throws(NodeError) {
    guard summary.generatedTokens <= processedTokens else {
      throw NodeError(
        .invalidArgument,
        "the summary claims \(summary.generatedTokens) generated tokens, but only "
          + "\(processedTokens) went through this node")
    }
  }
}
