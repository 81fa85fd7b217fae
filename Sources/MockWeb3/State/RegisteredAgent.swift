public import EthereumPrimitives
import HashTreeCollections

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
///
/// Copies share their structure: a transaction may register thousands, and each call can be undone.
package struct AgentLedger {
  private struct Entry {
    var record: RegisteredAgent
    /// Its place in the list.
    var position: Int
  }

  private var entries = PersistentMap<Entry>()
  private var list = TreeDictionary<Int, Address>()

  /// How many agents there are.
  var count: Int { list.count }

  /// All agents, in their order.
  var order: [Address] { (0..<list.count).compactMap { list[$0] } }

  /// The record of an agent, or nil when the address is not registered.
  subscript(agent: Address) -> RegisteredAgent? { entries[agent]?.record }

  func isRegistered(_ agent: Address) -> Bool { entries[agent] != nil }

  /// The place of an agent in the list, from 0.
  func position(of agent: Address) -> Int? { entries[agent]?.position }

  /// All agents that are active at a time.
  func activeAgents(at timestamp: UInt64) -> [Address] {
    order.filter { entries[$0]?.record.isActive(at: timestamp) ?? false }
  }

  mutating func add(_ record: RegisteredAgent) {
    precondition(entries[record.wallet] == nil, "\(record.wallet) is registered already")
    entries[record.wallet] = Entry(record: record, position: list.count)
    list[list.count] = record.wallet
  }

  /// Changes the record of an agent; an unknown one is left alone.
  mutating func update(_ agent: Address, _ change: (inout RegisteredAgent) -> Void) {
    guard var entry = entries[agent] else { return }
    change(&entry.record)
    entries[agent] = entry
  }

  /// Takes an agent off the list; the last one takes its place, as in the registry's own array.
  mutating func remove(_ agent: Address) {
    guard let position = entries[agent]?.position else { return }
    let last = list.count - 1
    if position != last, let moved = list[last], var entry = entries[moved] {
      entry.position = position
      entries[moved] = entry
      list[position] = moved
    }
    list[last] = nil
    entries[agent] = nil
  }
}
