public import Bloom

/// A way to one node: over gRPC, or within the process.
///
/// The pipeline client speaks through this alone, so that the same client drives real sockets,
/// and nodes of its own process.
public protocol BlockTransport: Sendable {
  /// The node's name in routes and messages: `host:port` on a network.
  var peer: String { get }

  /// Where what is done between two calls is best done; nil when that does not matter.
  var executor: (any TaskExecutor)? { get }

  /// What the node says of itself.
  ///
  /// - Throws: ``NodeError`` that names the peer.
  func info() async throws -> PeerInfo

  /// Hidden states `[tokens, hidden]` through the node's blocks, without a cache.
  ///
  /// - Parameter model: What the caller counts on; the node refuses if it serves something else.
  /// - Throws: ``NodeError`` that names the peer.
  func forward(_ hidden: HiddenStates, through model: ServedBlocks) async throws -> HiddenStates

  /// The gradient of the blocks' input, from that of their output: `[tokens, hidden]` all three.
  ///
  /// - Throws: ``NodeError`` that names the peer.
  func backward(
    input: HiddenStates, outputGradient: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates

  /// Opens a session, whose memory the node has reserved when this returns.
  ///
  /// - Throws: ``NodeError`` that names the peer; ``NodeError/Code/resourceExhausted`` when the
  ///   node is full.
  func openSession(_ opening: SessionOpening) async throws -> any BlockSession
}

extension BlockTransport {
  /// It does not matter.
  public var executor: (any TaskExecutor)? { nil }
}

/// The blocks of one model that a caller means.
public struct ServedBlocks: Hashable, Sendable {
  /// The model's fingerprint.
  public let fingerprint: String
  /// The blocks.
  public let blocks: LayerRange

  /// Blocks of the model with this fingerprint.
  public init(fingerprint: String, blocks: LayerRange) {
    self.fingerprint = fingerprint
    self.blocks = blocks
  }
}

/// An open session on one node.
///
/// Steps follow one another: a second one may begin only when the first was answered.
public protocol BlockSession: Sendable {
  /// The node's name.
  var peer: String { get }

  /// Hidden states `[tokens, hidden]` through the node's blocks, after what its cache holds.
  ///
  /// - Parameter start: Where the cache is rolled back to first; nil goes on at its end.
  /// - Throws: ``NodeError`` that names the peer, or `CancellationError`; the session is of no
  ///   more use after either.
  func step(_ hidden: HiddenStates, startFrom start: Int?) async throws -> StepAnswer

  /// Ends the session and tells the node what it was for.
  ///
  /// - Returns: Tokens that went through the node's blocks.
  /// - Throws: ``NodeError`` that names the peer.
  @discardableResult
  func finish(_ summary: SessionSummary) async throws -> Int

  /// Ends the session, with nothing to count; a second time does nothing.
  func cancel()
}

extension BlockSession {
  /// A step that goes on at the end of the cache.
  public func step(_ hidden: HiddenStates) async throws -> StepAnswer {
    try await step(hidden, startFrom: nil)
  }
}
