public import EthereumPrimitives

/// Where an agent stands (AgentRegistry's enum, in its order).
public enum AgentStatus: UInt8, Hashable, Sendable, CaseIterable {
  case active = 0
  case inactive = 1
  case slashed = 2
}

/// What the chain knows of one agent (Wire.md, Contracts).
public struct AgentRecord: Hashable, Sendable {
  /// The agent's account.
  public let wallet: Address
  /// The name it registered with, without padding; the metadata in AgentRegistry's words.
  public var metadata: String
  /// AgentRegistry's identifier; zero for an agent that registered through the precompile.
  public var nodeID: Hash32
  /// keccak256 of the model's name; zero for an agent that registered through AgentRegistry.
  public var modelHash: Hash32
  /// What the agent says it can do.
  public var capabilities: [Hash32]
  /// Seconds since 1970: the block that registered it.
  public var registeredAt: UInt64
  /// Seconds since 1970: the block of its last heartbeat; 0 before the first.
  public var lastHeartbeat: UInt64
  /// How many of its proofs were accepted.
  public var inferenceCount: UInt64
  /// The sum of its proofs' token counts; it stays at the largest word rather than wrap.
  public var totalTokensProcessed: Word
  /// What it was paid so far, in wei.
  public var totalRewards: Word
  /// Wei at stake: always 0, since staking is not part of the registry's ABI.
  public var stake: Word
  /// As stored: an agent whose heartbeat is too old still has the status `active`.
  public var status: AgentStatus

  init(wallet: Address, metadata: String, registeredAt: UInt64) {
    self.wallet = wallet
    self.metadata = metadata
    self.registeredAt = registeredAt
    nodeID = .zero
    modelHash = .zero
    capabilities = []
    lastHeartbeat = 0
    inferenceCount = 0
    totalTokensProcessed = .zero
    totalRewards = .zero
    stake = .zero
    status = .active
  }

  /// How long a heartbeat keeps an agent active, in seconds.
  public static let heartbeatTimeout: UInt64 = 300

  /// Whether the agent counts as active at a time: not slashed, and its last heartbeat is at most
  /// ``heartbeatTimeout`` old.
  public func isActive(at timestamp: UInt64) -> Bool {
    guard status != .slashed, lastHeartbeat > 0 else { return false }
    return timestamp < lastHeartbeat || timestamp - lastHeartbeat <= Self.heartbeatTimeout
  }
}
