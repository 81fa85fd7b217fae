public import EthereumPrimitives

/// An agent's status (AgentRegistry's enum, in its order).
public enum AgentStatus: UInt8, Hashable, Sendable, CaseIterable {
  case active = 0
  case inactive = 1
  case slashed = 2
}

/// The record of one registered agent (Wire.md, Contracts).
public struct RegisteredAgent: Hashable, Sendable {
  /// The agent's account.
  public let wallet: Address
  /// The name it registered with, without padding; AgentRegistry calls it metadata.
  public var metadata: String
  /// AgentRegistry's identifier; zero for an agent that registered through the precompile.
  public var nodeID: Hash32
  /// keccak256 of the model's name; zero for an agent that registered through AgentRegistry.
  public var modelHash: Hash32
  /// The agent's capabilities, as it registered them.
  public var capabilities: [Hash32]
  /// Seconds since 1970: the block that registered it.
  public var registeredAt: UInt64
  /// Seconds since 1970: the block of its last heartbeat; 0 before the first.
  public var lastHeartbeat: UInt64
  /// How many of its proofs were accepted.
  public var inferenceCount: UInt64
  /// The sum of its proofs' token counts; it stays at the largest word rather than wrap.
  public var totalTokensProcessed: Word
  /// The rewards paid so far, in wei.
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

/// The registered agents, in the order in which the registry's list holds them.
package struct AgentLedger {
  private var records = PersistentMap<RegisteredAgent>()
  private(set) var order: [Address] = []

  /// The record of an agent, or nil when the address is not registered.
  subscript(agent: Address) -> RegisteredAgent? { records[agent] }

  func isRegistered(_ agent: Address) -> Bool { records[agent] != nil }

  /// All agents that are active at a time.
  func activeAgents(at timestamp: UInt64) -> [Address] {
    order.filter { records[$0]?.isActive(at: timestamp) ?? false }
  }

  mutating func add(_ record: RegisteredAgent) {
    precondition(records[record.wallet] == nil, "\(record.wallet) is registered already")
    records[record.wallet] = record
    order.append(record.wallet)
  }

  /// Changes the record of an agent; an unknown one is left alone.
  mutating func update(_ agent: Address, _ change: (inout RegisteredAgent) -> Void) {
    guard var record = records[agent] else { return }
    change(&record)
    records[agent] = record
  }

  /// Takes an agent off the list; the last one takes its place, as in the registry's own array.
  mutating func remove(_ agent: Address) {
    guard let index = order.firstIndex(of: agent) else { return }
    order.swapAt(index, order.endIndex - 1)
    order.removeLast()
    records[agent] = nil
  }
}
