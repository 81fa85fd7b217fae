import AsyncPrimitives
public import EthereumPrimitives
import PlumiseWire
import Synchronization

/// Nodes and pipelines behind their lock, with the log that makes them durable.
final class OracleRegistry: Sendable {
  /// What the lock protects.
  struct Tables: Sendable {
    var nodes = NodeTable()
    var pipeline: PipelineTable
    /// The timestamp of the last message of each kind that was accepted from an account.
    fileprivate(set) var lastTimestamps: [StoredRegistration.Kind: [Address: Double]] = [:]

    /// Applies a message that was checked.
    /// - Parameter change: how the layers are shared with it; nil computes that.
    /// - Returns: the layers that the node got, when it asked for some.
    mutating func accept(
      _ registration: Registration, at time: Int64, _ change: PipelineTable.Change? = nil
    )
      -> LayerAssignment?
    {
      lastTimestamps[registration.kind, default: [:]][registration.agent] = registration.timestamp
      switch registration.kind {
      case .node:
        nodes.register(registration, at: time)
        return nil
      case .pipelineNode:
        nodes.recordHeartbeat(of: registration.agent, at: time, reported: false)
        let change = change ?? pipeline.registering(registration, at: time)
        pipeline.apply(change)
        return change.assignment
      case .pipelineReady:
        pipeline.markReady(registration.agent, model: registration.text("model"), at: time)
        return nil
      }
    }

    /// Restores what a log stored.
    fileprivate mutating func restore(_ snapshot: RegistrySnapshot) {
      nodes.restore(snapshot.nodes)
      pipeline.restore(snapshot.pipelines)
      lastTimestamps = snapshot.lastTimestamps
    }

    /// Marks an agent as seen by its report.
    mutating func recordReport(by agent: Address, at time: Int64) {
      nodes.recordHeartbeat(of: agent, at: time, reported: true)
      pipeline.recordHeartbeat(of: agent, at: time)
    }

    /// - Throws: ``RejectionReason/registrationReplay(timestamp:last:)``.
    fileprivate func checkReplay(_ registration: Registration) throws(RejectionReason) {
      let last = lastTimestamps[registration.kind]?[registration.agent] ?? 0
      guard registration.timestamp > last else {
        throw .registrationReplay(timestamp: registration.timestamp, last: last)
      }
    }
  }

  private let tables: Mutex<Tables>
  private let log: (any ReportLog)?
  private let turns = AsyncLock()

  /// Opens the registry, with everything that the log holds.
  init(profile: OracleProfile, layerCounts: [String: Int], log: (any ReportLog)?) {
    var tables = Tables(pipeline: PipelineTable(profile: profile, layerCounts: layerCounts))
    if let log = log as? any SnapshotLog {
      tables.restore(log.recoveredRegistry)
    } else if let log {
      var replay = RegistryReplay(tables, registrations: log.recoveredRegistrations)
      for report in log.recovered { replay.apply(report) }
      tables = replay.finish()
    }
    self.tables = Mutex(tables)
    self.log = log
  }

  /// Accepts a message that was checked, and returns once it is stored durably.
  /// - Returns: the layers that the node got, when it asked for some.
  /// - Throws: ``RejectionReason`` for a replay, a pipeline without a free layer, or a log that
  ///   cannot store it.
  func accept(
    _ registration: Registration, at time: Int64
  ) async throws(RejectionReason)
    -> LayerAssignment?
  {
    // One at a time, of all agents: each assigns the layers that the one before left.
    await turns.lock()
    defer { turns.unlock() }
    try checkReplay(registration)
    var change: PipelineTable.Change?
    if registration.kind == .pipelineNode {
      let model = registration.text("model")
      let (hasFreeLayer, layers) = read {
        (
          $0.pipeline.hasFreeLayer(for: registration.agent, model: model, at: time),
          $0.pipeline.layers(of: model)
        )
      }
      guard hasFreeLayer else { throw .pipelineFull(layers: layers) }
      change = read { $0.pipeline.registering(registration, at: time) }
    }
    do {
      if let log = log as? any SnapshotLog {
        try await log.append(registration, at: time, change)
      } else {
        try await log?.append(registration.stored(at: time))
      }
    } catch {
      throw .notStored(String(describing: error))
    }
    let stored = change
    return tables.withLock { $0.accept(registration, at: time, stored) }
  }

  /// Refuses a timestamp that is not above that of the account's last message of the kind.
  func checkReplay(_ registration: Registration) throws(RejectionReason) {
    try tables.withLock { tables throws(RejectionReason) in try tables.checkReplay(registration) }
  }

  /// Marks an agent as seen by its report.
  func recordReport(by agent: Address, at now: Int64) {
    tables.withLock { $0.recordReport(by: agent, at: now) }
  }

  /// Reads under the lock.
  func read<R: Sendable>(_ look: @Sendable (Tables) -> R) -> R { tables.withLock { look($0) } }
}

/// Rebuilds the registry's tables from what was accepted, reports and registrations in the order in
/// which they came.
struct RegistryReplay {
  private var tables: OracleRegistry.Tables
  private var registrations: ArraySlice<StoredRegistration>

  /// - Parameter registrations: all that there are, in the order they came.
  init(_ tables: OracleRegistry.Tables, registrations: [StoredRegistration]) {
    self.tables = tables
    self.registrations = registrations[...]
  }

  /// Applies the next report: a node that reported was seen.
  mutating func apply(_ report: StoredReport) {
    // The documented dialect has no registry.
    guard report.dialect == .deployed else { return }
    while let next = registrations.first, next.receivedAt <= report.receivedAt { register(next) }
    tables.recordReport(by: report.agent, at: report.receivedAt)
  }

  /// Applies the registrations that are left.
  mutating func finish() -> OracleRegistry.Tables {
    while let next = registrations.first { register(next) }
    return tables
  }

  private mutating func register(_ stored: StoredRegistration) {
    registrations.removeFirst()
    // What was accepted once has the right form; a file that somebody changed is read as far as it
    // makes sense.
    guard let registration = try? Registration(stored.kind, stored.body) else { return }
    _ = tables.accept(registration, at: stored.receivedAt)
  }
}

/// The registered nodes, with when each was seen.
struct NodeTable: Sendable {
  /// How long a node counts as active after it was seen, in seconds.
  static let activePeriod: Int64 = 600
  /// How many nodes are kept; the one that was not seen for longest is dropped first.
  static let capacity = 10_000

  private(set) var nodes: [Address: RegisteredNode] = [:]

  /// Nodes that were seen less than ten minutes ago, by address.
  func active(at now: Int64) -> [RegisteredNode] {
    nodes.values.filter { isActive($0, at: now) }.sorted { $0.address < $1.address }
  }

  /// Whether a node was seen less than ten minutes ago.
  func isActive(_ node: RegisteredNode, at now: Int64) -> Bool {
    // Both are times of day, far from the ends of the type.
    node.lastHeartbeat > now - Self.activePeriod
  }

  /// Adds a node, or updates it.
  mutating func register(_ registration: Registration, at now: Int64) {
    var node = nodes[registration.agent] ?? makeNode(registration.agent, at: now)
    let new = Self.registered(registration, at: now)
    node.endpoint = new.endpoint
    node.capabilities = new.capabilities
    node.lastHeartbeat = now
    nodes[registration.agent] = node
  }

  /// Marks a node as seen; one that never registered is listed from now on.
  mutating func recordHeartbeat(of agent: Address, at now: Int64, reported: Bool) {
    var node = nodes[agent] ?? makeNode(agent, at: now)
    node.lastHeartbeat = now
    if reported { node.lastMetricReport = now }
    nodes[agent] = node
  }

  /// Restores what a log stored.
  mutating func restore(_ stored: [RegisteredNode]) {
    for node in stored.prefix(Self.capacity) { nodes[node.address] = node }
  }

  /// A new node; where the table is full, the node that was not seen for longest is dropped for it.
  private mutating func makeNode(_ agent: Address, at now: Int64) -> RegisteredNode {
    if nodes.count >= Self.capacity,
      let oldest = nodes.values.min(by: { $0.lastHeartbeat < $1.lastHeartbeat })
    {
      nodes[oldest.address] = nil
    }
    return Self.seen(agent, at: now)
  }

  /// A node that was seen for the first time.
  static func seen(_ agent: Address, at now: Int64) -> RegisteredNode {
    RegisteredNode(
      address: agent, endpoint: "", capabilities: ["inference"], createdAt: now,
      lastHeartbeat: now, lastMetricReport: now)
  }

  /// A node that registered for the first time.
  static func registered(_ registration: Registration, at now: Int64) -> RegisteredNode {
    var node = seen(registration.agent, at: now)
    node.endpoint = registration.text("endpoint")
    node.capabilities =
      registration.members["capabilities"]?.arrayValue?.compactMap(\.stringValue) ?? []
    return node
  }
}

/// A node that registered or reported, as `GET /api/nodes` shows it.
public struct RegisteredNode: Sendable, Hashable {
  /// The node's account.
  public let address: Address
  /// The URL at which it says that it answers; empty for one that only reported.
  public internal(set) var endpoint: String
  /// What it says that it can do.
  public internal(set) var capabilities: [String]
  /// When it registered first, in unix seconds.
  public let createdAt: Int64
  /// When it registered or reported last, in unix seconds.
  public internal(set) var lastHeartbeat: Int64
  /// When it reported last, in unix seconds.
  public internal(set) var lastMetricReport: Int64
}
