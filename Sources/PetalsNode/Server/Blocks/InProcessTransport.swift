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
