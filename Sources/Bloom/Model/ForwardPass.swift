/// The tokens of one or more sessions on their way through a run of blocks together.
final class ForwardPass: @unchecked Sendable {
  // Sendable: only one pool thread at a time runs `step`.
  private struct Session {
    let input: HiddenStates
    let cache: KeyValueCache
    let position: Int
    /// First row among all sessions' rows.
    let start: Int
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
        let position = try step.cache.claim(step.input.tokens)
        sessions.append(
          Session(input: step.input, cache: step.cache, position: position, start: start))
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
      defer { stack.workspaces.giveBack(workspace) }
      let hidden = stack.configuration.hiddenSize
      let segments = load(rows, into: workspace)
      try stack.forward(workspace, segments, cancellation)
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

  private func load(_ rows: Range<Int>, into workspace: Workspace) -> [Attention.Segment] {
    let hidden = stack.configuration.hiddenSize
    var segments: [Attention.Segment] = []
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
    }
    return segments
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

  /// `cache` must come from the shard that takes the step.
  public init(input: HiddenStates, cache: KeyValueCache) {
    self.input = input
    self.cache = cache
  }
}
