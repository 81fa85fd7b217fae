import Synchronization

/// The tokens of one or more sessions on their way through a run of blocks together.
final class ForwardPass: @unchecked Sendable {
  // Sendable: only one pool thread at a time runs `step`.
  private struct Session {
    let input: HiddenStates
    let cache: KeyValueCache
    let position: Int
    /// First row among all sessions' rows.
    let start: Int
    let prompts: DeepPrompts?
    let promptStart: Int
  }

  private let stack: BlockStack
  private var sessions: [Session] = []
  private let total: Int
  private var done = 0
  private let output: FloatBuffer

  /// Claims every cache, or none.
  init(_ stack: BlockStack, _ batch: [SessionStep]) throws {
    self.stack = stack
    var start = 0
    total = batch.reduce(0) { $0 + $1.input.tokens }
    output = FloatBuffer(count: total * stack.configuration.hiddenSize)
    do {
      for step in batch {
        try stack.require(step.input)
        try stack.require(step.cache)
        if let prompts = step.prompts { try stack.require(prompts) }
        let position = try step.cache.reserve(step.input.tokens)
        sessions.append(
          Session(
            input: step.input, cache: step.cache, position: position, start: start,
            prompts: step.prompts, promptStart: step.promptStart))
        start += step.input.tokens
      }
    } catch {
      release(success: false)
      throw error
    }
  }

  /// Sends the next chunk of tokens through; the results once all are done.
  func step(_ cancellation: Cancellation) throws -> [HiddenStates]? {
    do {
      let rows = done..<min(total, done + WorkspaceStore.chunk)
      let workspace = stack.workspaces.take(rows.count)
      defer { stack.workspaces.release(workspace) }
      let hidden = stack.configuration.hiddenSize
      let (segments, prompts) = load(rows, into: workspace)
      try stack.forward(workspace, segments, prompts, cancellation)
      (output.pointer + rows.lowerBound * hidden)
        .update(from: workspace.states.pointer, count: rows.count * hidden)
      done = rows.upperBound
    } catch {
      release(success: false)
      throw error
    }
    guard done == total else { return nil }
    release(success: true)
    return sessions.map(result)
  }

  private func load(
    _ rows: Range<Int>, into workspace: Workspace
  ) -> ([Attention.Segment], [DeepPrompts.Segment]) {
    let hidden = stack.configuration.hiddenSize
    var segments: [Attention.Segment] = []
    var prompts: [DeepPrompts.Segment] = []
    for session in sessions {
      let own = (session.start..<session.start + session.input.tokens).clamped(to: rows)
      guard !own.isEmpty else { continue }
      let first = own.lowerBound - session.start
      let target = own.lowerBound - rows.lowerBound
      session.input.values.withUnsafeBufferPointer { values in
        guard let source = values.baseAddress else { return }
        (workspace.states.pointer + target * hidden)
          .update(from: source + first * hidden, count: own.count * hidden)
      }
      segments.append(
        Attention.Segment(
          cache: session.cache, rows: target..<target + own.count,
          position: session.position + first))
      if let segment = session.prompts?.segment(
        from: session.promptStart + first, rows: target..<target + own.count)
      {
        prompts.append(segment)
      }
    }
    return (segments, prompts)
  }

  private func result(_ session: Session) -> HiddenStates {
    let hidden = stack.configuration.hiddenSize
    let values = UnsafeBufferPointer(
      start: output.pointer + session.start * hidden, count: session.input.tokens * hidden)
    return HiddenStates(
      unchecked: session.input.tokens, hidden: hidden, values: Array(values))
  }

  private func release(success: Bool) {
    for session in sessions {
      session.cache.release(adding: success ? session.input.tokens : 0)
    }
  }
}

/// The next tokens of one session.
public struct SessionStep: Sendable {
  /// Hidden states [tokens, hidden] of the new tokens.
  public let input: HiddenStates
  /// The session's cache.
  public let cache: KeyValueCache
  /// Added to the first rows before each block; nil for nothing.
  public let prompts: DeepPrompts?
  /// How many rows of the prompts came before `input`, where it is a part of a longer one.
  public let promptStart: Int

  /// `cache` must come from the shard that takes the step.
  public init(
    input: HiddenStates, cache: KeyValueCache, prompts: DeepPrompts? = nil, promptStart: Int = 0
  ) {
    self.input = input
    self.cache = cache
    self.prompts = prompts
    self.promptStart = promptStart
  }
}

/// The intermediate values of one pass through blocks, for up to `capacity` tokens.
final class Workspace: @unchecked Sendable {
  // Sendable: a workspace belongs to one pass at a time.
  let capacity: Int
  /// [capacity, hidden]: a block's input, then its output.
  let states: FloatBuffer
  /// [capacity, hidden]: a layer norm's result.
  let normal: FloatBuffer
  /// [capacity, hidden]: what lies between attention and the feed-forward network.
  let middle: FloatBuffer
  /// [capacity, heads, 3, head size].
  let queryKeyValue: FloatBuffer
  /// [capacity, hidden]: what the heads gathered.
  let context: FloatBuffer
  /// [capacity, 4 hidden].
  let inner: FloatBuffer
  private var scores = FloatBuffer(count: 0)

  init(_ configuration: BloomConfiguration, capacity: Int) {
    self.capacity = capacity
    let size = capacity * configuration.hiddenSize
    states = FloatBuffer(count: size)
    normal = FloatBuffer(count: size)
    middle = FloatBuffer(count: size)
    queryKeyValue = FloatBuffer(count: 3 * size)
    context = FloatBuffer(count: size)
    inner = FloatBuffer(count: 4 * size)
  }

  /// Scratch for at least `count` attention scores.
  func scores(_ count: Int) -> FloatBuffer {
    // Twice what is needed, since the next token needs a little more.
    if scores.count < count { scores = FloatBuffer(count: 2 * count) }
    return scores
  }
}

/// Workspaces at rest, of two sizes: for decoding and for prompts.
final class WorkspaceStore: Sendable {
  /// Tokens that go through the blocks together; a longer prompt is cut.
  static let chunk = 256
  private static let few = 8
  /// Kept for reuse of each size; more are freed after a rush.
  private static let kept = 4

  private let configuration: BloomConfiguration
  private let idle = Mutex<[Int: [Workspace]]>([:])

  init(_ configuration: BloomConfiguration) {
    self.configuration = configuration
  }

  /// Lends a workspace for `tokens` (at most ``chunk``).
  func take(_ tokens: Int) -> Workspace {
    precondition(tokens <= Self.chunk)
    let capacity = tokens <= Self.few ? Self.few : Self.chunk
    return idle.withLock { $0[capacity]?.popLast() }
      ?? Workspace(configuration, capacity: capacity)
  }

  func release(_ workspace: Workspace) {
    idle.withLock { idle in
      if idle[workspace.capacity, default: []].count < Self.kept {
        idle[workspace.capacity, default: []].append(workspace)
      }
    }
  }
}
