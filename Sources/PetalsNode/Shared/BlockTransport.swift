public import Bloom
public import EthereumPrimitives

/// A transport to one node: over gRPC, or within the process.
///
/// The pipeline client speaks through this alone, so that the same client drives real sockets,
/// and nodes of its own process.
public protocol BlockTransport: Sendable {
  /// The node's name in routes and messages: `host:port` on a network.
  var peer: String { get }

  /// The preferred executor of work between two calls; nil for none.
  var executor: (any TaskExecutor)? { get }

  /// The blocks that the node is said to serve now, where that is known without asking it.
  ///
  /// A node that was asked, and is said to serve others since, is asked again.
  var announcedBlocks: Range<Int>? { get }

  /// What the node says of itself.
  ///
  /// - Throws: ``NodeError`` that names the peer.
  func info() async throws -> PeerInfo

  /// Hidden states `[tokens, hidden]` through the node's blocks, without a cache.
  ///
  /// - Parameters:
  ///   - hidden: The input of the first block.
  ///   - model: What the caller counts on; the node refuses if it serves something else.
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
  /// No preference.
  public var executor: (any TaskExecutor)? { nil }

  /// Nothing is known without asking.
  public var announcedBlocks: Range<Int>? { nil }
}

/// The blocks of one model that a caller means.
public struct ServedBlocks: Hashable, Sendable {
  /// The model's fingerprint.
  public let fingerprint: String
  /// The blocks.
  public let blocks: BlockRange

  /// Blocks of the model with this fingerprint.
  public init(fingerprint: String, blocks: BlockRange) {
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
  /// - Parameters:
  ///   - hidden: The input of the first block.
  ///   - start: Where the cache is rolled back to first; nil goes on at its end.
  /// - Throws: ``NodeError`` that names the peer, or `CancellationError`; the session is of no
  ///   more use after either.
  func step(_ hidden: HiddenStates, startFrom start: Int?) async throws -> StepResult

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
  public func step(_ hidden: HiddenStates) async throws -> StepResult {
    try await step(hidden, startFrom: nil)
  }
}

/// What a client asks for when it opens a session.
public struct SessionOpening: Hashable, Sendable {
  /// The client's name of the session, for messages and logs.
  public let id: String
  /// The model that the client means; nil to take what is served.
  public let fingerprint: String?
  /// The blocks of the session, all of the node's or a part; nil for the node's own range.
  public let blocks: BlockRange?
  /// Most tokens that the cache will hold; the node reserves memory for them.
  public let maximumLength: Int
  /// By which other nodes deliver steps to the session; nil where they do not.
  var acceptToken: DeliveryToken?
  /// Whether the node said that it hands steps on.
  var handsOn = false

  /// A request for a session.
  public init(id: String, fingerprint: String?, blocks: BlockRange?, maximumLength: Int) {
    self.id = id
    self.fingerprint = fingerprint
    self.blocks = blocks
    self.maximumLength = maximumLength
  }
}

/// What a node answers to one step of a session.
public struct StepResult: Hashable, Sendable {
  /// The hidden states after the last block of the session, `[tokens, hidden]`.
  public let hidden: HiddenStates
  /// Tokens in the cache after the step.
  public let position: Int
  /// What the step took on the node; the rest of the client's time is the way there and back.
  public let computeTime: Duration
  /// The number of the step, where the node is handing its output on to the next one; nil where it is not.
  var handedOn: UInt64?

  /// An answer by its parts.
  public init(hidden: HiddenStates, position: Int, computeTime: Duration) {
    self.hidden = hidden
    self.position = position
    self.computeTime = computeTime
  }
}

/// What a session generated, as its client reports at the end.
///
/// Every node of a route gets the same summary and counts it once: one inference of so many
/// tokens, and a proof of its own when the texts are known. So all of them agree with what was
/// done, however the blocks were divided.
public struct SessionSummary: Hashable, Sendable {
  /// The texts, as a proof names them.
  public struct Transcript: Hashable, Sendable {
    /// Keccak-256 of the prompt.
    public let inputHash: Hash32
    /// Keccak-256 of what was generated.
    public let outputHash: Hash32

    /// A transcript by its digests.
    public init(inputHash: Hash32, outputHash: Hash32) {
      self.inputHash = inputHash
      self.outputHash = outputHash
    }

    /// The digests of two texts.
    public init(input: String, output: String) {
      self.init(inputHash: Keccak256.hash(input), outputHash: Keccak256.hash(output))
    }
  }

  /// New tokens, without the prompt and without the end-of-sequence token.
  public let generatedTokens: Int
  /// From the prompt to the last token, on the client's clock.
  public let latency: Duration
  /// What a proof needs; nil asks for none.
  public let transcript: Transcript?

  /// A summary.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` for a negative count or latency.
  public init(
    generatedTokens: Int, latency: Duration, transcript: Transcript? = nil
  ) throws(NodeError) {
    guard generatedTokens >= 0, latency >= .zero else {
      throw NodeError(
        .invalidArgument,
        "a session cannot have made \(generatedTokens) tokens in \(latency)")
    }
    self.generatedTokens = generatedTokens
    self.latency = latency
    self.transcript = transcript
  }
}
