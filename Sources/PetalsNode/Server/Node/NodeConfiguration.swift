public import Bloom
public import EthereumPrimitives

/// What a node serves, and where.
public struct NodeConfiguration: Sendable {
  /// Where a service listens.
  public struct Endpoint: Hashable, Sendable {
    /// A name or an address of this machine.
    public var host: String
    /// 0 for any free port.
    public var port: Int

    /// An endpoint; without a host it is reached from this machine alone.
    public init(host: String = "127.0.0.1", port: Int = 0) {
      self.host = host
      self.port = port
    }
  }

  /// How a connection whose other end is gone is noticed, though nobody ended it.
  ///
  /// Both times are the machine's: they are the connection's own, far below any call.
  public struct Keepalive: Hashable, Sendable {
    /// A connection that brought nothing for this long is asked for a sign of life.
    public var after: Duration
    /// It gets no further calls when none came within this time, and is closed once its sessions
    /// have ended, at the latest by ``NodeConfiguration/sessionIdleLimit``.
    public var timeout: Duration

    /// Times to ask and to wait.
    public init(after: Duration = .seconds(60), timeout: Duration = .seconds(20)) {
      self.after = after
      self.timeout = timeout
    }
  }

  /// The model.
  public var checkpoint: Checkpoint
  /// Reads and writes text when the node generates; nil takes `tokenizer.json` from the model's folder.
  public var tokenizer: Tokenizer?
  /// Proposes tokens when the node generates for its HTTP API, through blocks that keep sessions; nil for
  /// none.
  public var draft: DraftModel?
  /// The blocks that this node serves.
  public var blocks: BlockRange
  /// Where gRPC listens.
  public var grpc: Endpoint
  /// Whether gRPC listens; a node that does not is reached from its process alone, through
  /// ``PetalsNode/transport``.
  package var listens = true
  /// Where the HTTP API (Wire.md, Nodes) listens; nil for none.
  public var http: Endpoint?
  /// Nodes that hold the other blocks, for when this one generates.
  public var peers: [PeerAddress]
  /// Its agent's address on the chain; proofs need one.
  public var agent: Address?
  /// How its HTTP API differs from Wire.md's when it lives as an agent; nil for a node that is none.
  public var agentAPI: AgentAPISettings?
  /// How it behaves in `plumise.inference`.
  public var agentProfile = AgentProfile.fixed
  /// The format of the hidden states that it sends when it begins a pipeline of agents.
  public var pipelineFormat = PipelineTensorFormat.float32
  /// How the caches of sessions store keys and values.
  ///
  /// In 16 bits twice as many tokens find a place in the same budget.
  public var cacheType: CacheType
  /// Bytes that the caches of all sessions may take together.
  public var cacheBudget: Int
  /// Bytes that sequences of `plumise.inference` may take between their passes; with 0 each pass
  /// computes all of its tokens.
  public var prefixBudget: Int
  /// Bytes that the beginnings of sessions may take, in pages of 64 tokens with which a session that begins
  /// alike goes on; with 0 each prompt is computed whole.
  public var pageBudget: Int
  /// Most tokens that one session or pass may hold.
  public var maximumLength: Int
  /// Most tokens of prompts that are computed before sessions that decode have their next turn.
  public var prefillChunk: Int
  /// The longest message that is read, in bytes.
  ///
  /// gRPC ends a call without a status when its message is longer. So the default is generous:
  /// what is a little too long gets a status of the node's own.
  public var largestRequest: Int
  /// How long calls to peers may take.
  public var limits: TransportLimits
  /// Whether a step's output goes straight to the node that computes next, where its client asks for that, and
  /// whether steps are taken from other nodes.
  ///
  /// Such a node connects to addresses that its clients name: see NodeProtocol.md before it is reached by
  /// strangers.
  public var handsOn = false
  /// How long another node may take to acknowledge a step that is handed on, the connection included; then the
  /// client sends it.
  public var deliveryLimit = Duration.seconds(1)
  /// How long a session may be silent before the node ends it: its client may be gone for good.
  public var sessionIdleLimit: Duration
  /// How a connection whose other end is gone is noticed.
  public var keepalive: Keepalive
  /// How long an HTTP client, or the reader of a gRPC stream of text, may take to send a request or
  /// to take what it was sent; then its generation ends, and over HTTP its connection.
  public var clientTimeout: Duration
  /// How long an HTTP connection may be open without a request.
  public var clientIdleLimit: Duration
  /// How long a stop waits for calls in flight before it cuts them off.
  public var gracePeriod: Duration
  /// What the grace period is measured on; nil for the node's own clock.
  public var graceClock: (any Clock<Duration>)?
  /// Is told of each session's beginning, steps and end, on the task that serves it: it must not block.
  public var onActivity: (@Sendable (SessionActivity) -> Void)?

  /// A configuration with its defaults.
  ///
  /// - Parameters:
  ///   - checkpoint: The model.
  ///   - blocks: Nil for all of its blocks.
  ///   - grpc: Where gRPC listens.
  ///   - http: Where HTTP listens; nil for none.
  ///   - peers: Nodes that hold the other blocks.
  ///   - agent: The agent's address.
  ///   - cacheType: How the caches of sessions store keys and values.
  ///   - cacheBudget: In bytes. Nil takes 2 GiB, and enough for one session of the greatest
  ///     length; pages are only taken as tokens come.
  ///   - prefixBudget: In bytes. Nil takes 256 MiB, and enough for one sequence of the greatest
  ///     length, but no more than the cache budget.
  ///   - pageBudget: In bytes. Nil takes 256 MiB, but no more than the cache budget.
  ///   - maximumLength: In tokens. Nil takes the model's sequence length.
  ///   - prefillChunk: In tokens; smaller ones let others wait less and prompts longer.
  ///   - limits: How long calls to peers may take.
  ///   - sessionIdleLimit: How long a session may be silent.
  ///   - keepalive: How a connection whose other end is gone is noticed.
  ///   - clientTimeout: How long a client may take to send a request or to take an answer.
  ///   - clientIdleLimit: How long an HTTP connection may be open without a request.
  ///   - gracePeriod: How long a stop waits.
  public init(
    checkpoint: Checkpoint, blocks: BlockRange? = nil, grpc: Endpoint = Endpoint(),
    http: Endpoint? = nil, peers: [PeerAddress] = [], agent: Address? = nil,
    cacheType: CacheType = .f32, cacheBudget: Int? = nil, prefixBudget: Int? = nil,
    pageBudget: Int? = nil,
    maximumLength: Int? = nil, prefillChunk: Int = 128,
    limits: TransportLimits = TransportLimits(), sessionIdleLimit: Duration = .seconds(1800),
    keepalive: Keepalive = Keepalive(), clientTimeout: Duration = .seconds(30),
    clientIdleLimit: Duration = .seconds(300), gracePeriod: Duration = .seconds(2)
  ) {
    let model = checkpoint.configuration
    let blocks = blocks ?? BlockRange(all: model.blockCount)
    let length = maximumLength ?? model.sequenceLength
    // Products that do not fit are as good as endless: what no memory holds is refused when it is
    // asked for.
    let session = cacheType.capacity(for: length).multipliedReportingOverflow(
      by: Shard.bytesPerCachedToken(model, blocks: blocks, cacheType: cacheType))
    let tensors = length.multipliedReportingOverflow(by: 2 * 4 * model.hiddenSize)
    self.checkpoint = checkpoint
    self.blocks = blocks
    self.grpc = grpc
    self.http = http
    self.peers = peers
    self.agent = agent
    self.cacheType = cacheType
    let caches = cacheBudget ?? max(2 << 30, session.overflow ? .max : session.partialValue)
    self.cacheBudget = caches
    // What goes into the blocks and comes out of them is kept beside keys and values.
    let sequence = session.partialValue.addingReportingOverflow(tensors.partialValue)
    let isEndless = session.overflow || tensors.overflow || sequence.overflow
    self.prefixBudget =
      prefixBudget ?? min(caches, max(256 << 20, isEndless ? .max : sequence.partialValue))
    self.pageBudget = pageBudget ?? min(caches, 256 << 20)
    self.maximumLength = length
    // HTTP/2 and gRPC count a message's bytes in 32 bits.
    let largest = tensors.overflow ? Int.max : tensors.partialValue
    largestRequest = max(64 << 20, min(largest, Int(Int32.max) - (64 << 10)) + (64 << 10))
    self.prefillChunk = prefillChunk
    self.keepalive = keepalive
    self.clientTimeout = clientTimeout
    self.clientIdleLimit = clientIdleLimit
    self.limits = limits
    self.sessionIdleLimit = sessionIdleLimit
    self.gracePeriod = gracePeriod
  }

  /// The blocks, with caches as they are to be.
  ///
  /// - Throws: `BlockRangeError` for blocks of a model with another number of them.
  func shard() throws(BlockRangeError) -> Shard {
    try Shard(checkpoint, blocks: blocks, cacheType: cacheType)
  }
}
