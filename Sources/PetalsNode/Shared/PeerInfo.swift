public import Bloom
public import EthereumPrimitives

/// What a node says of itself.
public struct PeerInfo: Hashable, Sendable {
  /// The checkpoint's name.
  public let modelName: String
  /// The checkpoint's fingerprint: equal for equal models, wherever they lie.
  public let fingerprint: String
  /// The blocks that it serves, and how many the whole model has.
  public let blocks: BlockRange
  /// Numbers in a hidden state.
  public let hiddenSize: Int
  /// Whether a pass through its own port succeeded and it is not stopping.
  public let isReady: Bool
  /// Its agent's address on the chain.
  public let agent: Address?
  /// Time since its start.
  public let uptime: Duration
  /// Its cache memory.
  public let cache: CacheUsage
  /// Most tokens that one session or pass may hold.
  public let maximumLength: Int
  /// What one token takes in one block, of late; nil before anything was measured.
  public let blockStep: Duration?
  /// Whether it hands steps on to other nodes, and takes those that are handed on to it.
  public let handsOn: Bool

  /// A description of a node.
  public init(
    modelName: String, fingerprint: String, blocks: BlockRange, hiddenSize: Int, isReady: Bool,
    agent: Address?, uptime: Duration, cache: CacheUsage, maximumLength: Int,
    blockStep: Duration? = nil, handsOn: Bool = false
  ) {
    self.modelName = modelName
    self.fingerprint = fingerprint
    self.blocks = blocks
    self.hiddenSize = hiddenSize
    self.isReady = isReady
    self.agent = agent
    self.uptime = uptime
    self.cache = cache
    self.maximumLength = maximumLength
    self.blockStep = blockStep
    self.handsOn = handsOn
  }
}

/// How much of a node's cache memory its sessions hold.
public struct CacheUsage: Hashable, Sendable {
  /// Bytes that open sessions have reserved.
  public let usedBytes: Int
  /// Bytes that all sessions together may reserve.
  public let budgetBytes: Int
  /// Open sessions.
  public let sessions: Int
  /// What one token of one session takes in all of the node's blocks.
  public let bytesPerToken: Int

  /// A reading of the node's accounts.
  public init(usedBytes: Int, budgetBytes: Int, sessions: Int, bytesPerToken: Int) {
    self.usedBytes = usedBytes
    self.budgetBytes = budgetBytes
    self.sessions = sessions
    self.bytesPerToken = bytesPerToken
  }

  /// Tokens that new sessions can still reserve.
  public var tokensLeft: Int {
    bytesPerToken > 0 ? max(0, budgetBytes - usedBytes) / bytesPerToken : 0
  }
}
