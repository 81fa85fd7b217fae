public import Bloom

/// The transport to a node in this process: no socket and no bytes, but every check.
public struct InProcessTransport: BlockTransport {
  /// The node's name in routes and messages.
  public let peer: String
  private let server: BlockServer

  init(_ server: BlockServer, peer: String) {
    self.server = server
    self.peer = peer
  }

  /// What the node says of itself.
  public func info() async throws -> PeerInfo { server.info }

  /// Hidden states through the node's blocks, without a cache.
  public func forward(
    _ hidden: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates {
    try await attributingErrors(to: peer) {
      try await server.forward(
        hidden, fingerprint: model.fingerprint, blocks: model.blocks.indices)
    }
  }

  /// The gradient of the blocks' input.
  public func backward(
    input: HiddenStates, outputGradient: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates {
    try await attributingErrors(to: peer) {
      try await server.backward(
        input: input, outputGradient: outputGradient, fingerprint: model.fingerprint,
        blocks: model.blocks.indices)
    }
  }

  /// Opens a session on the node.
  public func openSession(_ opening: SessionOpening) async throws -> any BlockSession {
    try await attributingErrors(to: peer) {
      InProcessSession(session: try server.openSession(opening), peer: peer)
    }
  }
}

// What another protocol than this package's own is served with.

extension InProcessTransport {
  /// Hidden states through some of the node's blocks, with prompts added before each of them.
  ///
  /// - Throws: ``NodeError``.
  package func forward(
    _ hidden: HiddenStates, blocks: Range<Int>, prompts: DeepPrompts?
  ) async throws -> HiddenStates {
    try await server.forward(hidden, blocks: blocks, prompts: prompts)
  }

  /// The gradients of the input of some of the node's blocks, and of the prompts.
  ///
  /// - Throws: ``NodeError``.
  package func backward(
    input: HiddenStates, outputGradient: HiddenStates, blocks: Range<Int>, prompts: DeepPrompts?
  ) async throws -> (input: HiddenStates, prompts: [HiddenStates]) {
    try await server.backward(
      input: input, outputGradient: outputGradient, fingerprint: nil, blocks: blocks,
      prompts: prompts)
  }

  /// Opens sessions for sequences that may take each other's place.
  ///
  /// - Throws: ``NodeError``; no session stays open then.
  package func openSessions(
    _ opening: SessionOpening, count: Int
  ) throws -> InProcessSessions {
    InProcessSessions(sessions: try (0..<count).map { _ in try server.openSession(opening) })
  }
}

/// Sessions on the same blocks of a node of this process, one for each sequence of a batch.
package struct InProcessSessions: Sendable {
  fileprivate let sessions: [ServedSession]

  /// Sequences.
  package var count: Int { sessions.count }

  /// Hidden states of each sequence through the blocks, together with those of other sessions.
  ///
  /// - Parameters:
  ///   - hidden: One for each sequence.
  ///   - start: Where the caches are rolled back to first; nil goes on at their ends.
  ///   - prompts: One for each sequence, or none at all.
  /// - Throws: ``NodeError``; the sessions are of no more use then.
  package func step(
    _ hidden: [HiddenStates], startFrom start: Int?, prompts: [DeepPrompts]
  ) async throws -> (hidden: [HiddenStates], computeTime: Duration) {
    // The usual case costs no task.
    if hidden.count == 1, sessions.count == 1 {
      let result = try await sessions[0].step(hidden[0], startFrom: start, prompts: prompts.first)
      return ([result.hidden], result.computeTime)
    }
    return try await withThrowingTaskGroup(of: (Int, StepResult).self) { group in
      for (index, session) in sessions.enumerated() {
        group.addTask {
          let prompts = prompts.isEmpty ? nil : prompts[index]
          return (index, try await session.step(hidden[index], startFrom: start, prompts: prompts))
        }
      }
      var results: [(Int, StepResult)] = []
      for try await result in group { results.append(result) }
      results.sort { $0.0 < $1.0 }
      return (results.map(\.1.hidden), results.map(\.1.computeTime).max() ?? .zero)
    }
  }

  /// Rolls the caches back.
  ///
  /// - Throws: ``NodeError``.
  package func rollBack(to start: Int) throws {
    for session in sessions { try session.rollBack(to: start) }
  }

  /// Gives each sequence the tokens that another one holds.
  ///
  /// - Throws: ``NodeError``.
  package func reorder(by sources: [Int]) throws {
    try ServedSession.reorder(sessions, by: sources)
  }

  /// Counts what the sessions were for, once, and ends them.
  ///
  /// - Throws: ``NodeError`` for a summary that cannot be.
  package func finish(_ summary: SessionSummary) throws {
    defer { release() }
    _ = try sessions.first?.finish(summary)
  }

  /// Ends the sessions; a second time does nothing.
  package func release() { for session in sessions { session.release() } }
}

/// A session on a node of this process.
struct InProcessSession: BlockSession {
  let session: ServedSession
  let peer: String

  func step(_ hidden: HiddenStates, startFrom start: Int?) async throws -> StepResult {
    try await attributingErrors(to: peer) { try await session.step(hidden, startFrom: start) }
  }

  func finish(_ summary: SessionSummary) async throws -> Int {
    try await attributingErrors(to: peer) { try session.finish(summary) }
  }

  func cancel() { session.release() }
}

/// Adds the peer's name to errors.
func attributingErrors<Output>(
  to peer: String, _ work: () async throws -> Output
) async throws -> Output {
  do {
    return try await work()
  } catch var error as NodeError {
    error.peer = error.peer ?? peer
    throw error
  }
}
