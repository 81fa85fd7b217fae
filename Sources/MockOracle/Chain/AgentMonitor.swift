import EthereumPrimitives
import PlumiseWire

/// The list of agents that the oracle keeps, as the deployed one does: those that AgentRegistry has,
/// and the nodes that were seen.
///
/// Faults of the deployed oracle, which the profile `faithful` reproduces: it takes the status 1 of
/// AgentRegistry for active, which is 0 there, so that an agent that is known from there alone is
/// never active (drift 26); and it knows such an agent by its checksummed address and a node by its
/// lower-case one, so that whoever is both is listed twice.
struct AgentMonitor: Sendable {
  /// An agent of the list.
  struct Entry: Sendable, Hashable {
    /// The text that the agent is found by.
    let name: String
    var row: ChainTables.Agent
    var isActive: Bool
  }

  /// A record of AgentRegistry (Wire.md, Contracts).
  struct RegistryRecord: Sendable, Hashable {
    let wallet: Address
    let nodeID: String
    let metadata: String
    let registeredAt: Int64
    let lastHeartbeat: Int64
    let status: UInt64
    let stake: Word
  }

  /// How long an agent counts as active after its heartbeat, in seconds.
  static let heartbeatTimeout: Int64 = 300

  let profile: OracleProfile
  /// In the order in which they were found.
  private(set) var entries: [Entry] = []

  /// The agents that contributions are reported of.
  var active: [Entry] { entries.filter(\.isActive) }

  /// Adds an agent that AgentRegistry has, or renews it when it has sent a heartbeat.
  mutating func update(_ record: RegistryRecord, at now: Int64) {
    let name = profile == .faithful ? record.wallet.checksummed : record.wallet.lowercaseHex
    let index = entries.firstIndex { $0.name == name }
    if let index, entries[index].row.lastHeartbeat == record.lastHeartbeat { return }
    // AgentRegistry's enum: active, inactive, slashed; the oracle's: inactive, active, slashed.
    let isActive = record.status == (profile == .faithful ? 1 : 0)
    let status = profile == .fixed && record.status < 2 ? 1 - record.status : record.status
    let entry = Entry(
      name: name,
      row: ChainTables.Agent(
        wallet: record.wallet, nodeID: record.nodeID, metadata: record.metadata,
        registeredAt: record.registeredAt, lastHeartbeat: record.lastHeartbeat, updatedAt: now,
        status: Int(clamping: status), stake: record.stake),
      isActive: isActive)
    if let index { entries[index] = entry } else { entries.append(entry) }
  }

  /// Adds a node, or renews it when it was seen.
  mutating func update(_ node: RegisteredNode, at now: Int64) {
    let name = node.address.lowercaseHex
    guard let index = entries.firstIndex(where: { $0.name == name }) else {
      entries.append(Entry(name: name, row: ChainTables.Agent(node), isActive: true))
      return
    }
    guard node.lastHeartbeat > entries[index].row.lastHeartbeat else { return }
    entries[index].row.lastHeartbeat = node.lastHeartbeat
    entries[index].row.updatedAt = now
    entries[index].isActive = true
  }

  /// Marks the agents as inactive that were silent for more than five minutes.
  mutating func detectSilence(at now: Int64) {
    for index in entries.indices
    where now - entries[index].row.lastHeartbeat > Self.heartbeatTimeout {
      entries[index].isActive = false
    }
  }
}

/// The challenges that agents solved since the last run of contributions: what the deployed oracle
/// counts as tasks.
struct SolvedChallenges: Sendable {
  let profile: OracleProfile
  /// The seconds that each solution took, by the text that its solver is known by.
  private var durations: [String: [Int64]] = [:]
  /// When each challenge was seen to be opened, in unix seconds.
  private var openings: [UInt64: Int64] = [:]

  init(profile: OracleProfile) { self.profile = profile }

  mutating func recordOpening(of id: UInt64, at now: Int64) {
    openings[id] = now
    // Of challenges that are over nothing more is to come.
    if openings.count > 1000 { openings = openings.filter { $0.key != openings.keys.min() } }
  }

  /// Counts a solution, unless the opening of its challenge was not seen.
  mutating func recordSolution(of id: UInt64, by solver: Address, at now: Int64) {
    guard let opening = openings[id] else { return }
    // The deployed oracle keeps tasks under the checksummed address (drift 27).
    let name = profile == .faithful ? solver.checksummed : solver.lowercaseHex
    durations[name, default: []].append(now - opening)
  }

  /// An agent's tasks and its response score: 100 less a tenth of the mean time in seconds, 0 without
  /// a task.
  func score(of name: String) -> (taskCount: Int64, responseScore: Int64) {
    guard let durations = durations[name], !durations.isEmpty else { return (0, 0) }
    let mean = durations.reduce(0.0) { $0 + Double($1) } / Double(durations.count)
    return (Int64(durations.count), Int64(min(100, max(0, 100 - mean / 10)).rounded(.down)))
  }

  mutating func clear() { durations = [:] }
}
