import AsyncPrimitives
import EthereumPrimitives
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

    /// Forgets the last timestamps, as the deployed oracle does when it starts.
    fileprivate mutating func forgetTimestamps() { lastTimestamps = [:] }

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
    if profile == .faithful { tables.forgetTimestamps() }
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

  /// Makes a node of an agent whose report was refused, unless it is one.
  func recordRegistered(_ agent: Address, at now: Int64) {
    tables.withLock { tables in
      guard tables.nodes.nodes[agent] == nil else { return }
      tables.nodes.recordHeartbeat(of: agent, at: now, reported: false)
    }
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
    guard let registration = try? Registration(stored.kind, .json(stored.body)) else { return }
    _ = tables.accept(registration, at: stored.receivedAt)
  }
}
