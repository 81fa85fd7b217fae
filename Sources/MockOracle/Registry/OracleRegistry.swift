import EthereumPrimitives
import PlumiseWire
import Synchronization

/// Nodes and pipelines behind their lock, and the log that makes them last.
final class OracleRegistry: Sendable {
  struct Tables: Sendable {
    var nodes = NodeTable()
    var pipeline: PipelineTable
    /// The timestamp of the last message of each kind that was taken from an account.
    fileprivate(set) var lastTimestamps: [StoredRegistration.Kind: [Address: Double]] = [:]

    /// Takes a message that was checked.
    /// - Parameter change: how the layers are shared with it; nil works that out.
    /// - Returns: the layers that the node got, when it asked for some.
    mutating func take(
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
        nodes.see(registration.agent, at: time, reported: false)
        let change = change ?? pipeline.registering(registration, at: time)
        pipeline.apply(change)
        return change.assignment
      case .pipelineReady:
        pipeline.markReady(registration.agent, model: registration.text("model"), at: time)
        return nil
      }
    }

    /// Takes over what a log kept.
    fileprivate mutating func restore(_ kept: KeptRegistry) {
      nodes.restore(kept.nodes)
      pipeline.restore(kept.pipelines)
      lastTimestamps = kept.lastTimestamps
    }

    /// Notes that an agent reported.
    mutating func see(_ agent: Address, at time: Int64) {
      nodes.see(agent, at: time, reported: true)
      pipeline.see(agent, at: time)
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
  private let turns = KeyedAsyncLock()

  /// Opens the registry, with everything that the log holds.
  init(profile: OracleProfile, layerCounts: [String: Int], log: (any ReportLog)?) {
    var tables = Tables(pipeline: PipelineTable(profile: profile, layerCounts: layerCounts))
    if let log = log as? any BookkeepingLog {
      tables.restore(log.recoveredRegistry)
    } else if let log {
      var replay = RegistryReplay(tables, registrations: log.recoveredRegistrations)
      for report in log.recovered { replay.see(report) }
      tables = replay.end()
    }
    self.tables = Mutex(tables)
    self.log = log
  }

  /// Takes a message that was checked, and returns once it is kept for good.
  /// - Returns: the layers that the node got, when it asked for some.
  /// - Throws: ``RejectionReason`` for a replay, a pipeline without room, or a log that cannot keep it.
  func take(
    _ registration: Registration, at time: Int64
  ) async throws(RejectionReason)
    -> LayerAssignment?
  {
    // One at a time, whoever asks: each shares out what the one before left.
    await turns.begin(.zero)
    defer { turns.end(.zero) }
    try checkReplay(registration)
    var change: PipelineTable.Change?
    if registration.kind == .pipelineNode {
      let model = registration.text("model")
      let (hasRoom, layers) = read {
        (
          $0.pipeline.hasRoom(for: registration.agent, model: model, at: time),
          $0.pipeline.layers(of: model)
        )
      }
      guard hasRoom else { throw .pipelineFull(layers: layers) }
      change = read { $0.pipeline.registering(registration, at: time) }
    }
    do {
      if let log = log as? any BookkeepingLog {
        try await log.append(registration, at: time, change)
      } else {
        try await log?.append(registration.stored(at: time))
      }
    } catch {
      throw .notStored(String(describing: error))
    }
    let known = change
    return tables.withLock { $0.take(registration, at: time, known) }
  }

  func checkReplay(_ registration: Registration) throws(RejectionReason) {
    try tables.withLock { tables throws(RejectionReason) in try tables.checkReplay(registration) }
  }

  /// Notes that an agent reported.
  func see(_ agent: Address, at now: Int64) {
    tables.withLock { $0.see(agent, at: now) }
  }

  /// Looks something up.
  func read<R: Sendable>(_ look: @Sendable (Tables) -> R) -> R { tables.withLock { look($0) } }
}

/// Makes the registry's tables anew from what was taken, reports and registrations in the order in
/// which they came.
struct RegistryReplay {
  private var tables: OracleRegistry.Tables
  private var registrations: ArraySlice<StoredRegistration>

  /// - Parameter registrations: all that there are, in the order they came.
  init(_ tables: OracleRegistry.Tables, registrations: [StoredRegistration]) {
    self.tables = tables
    self.registrations = registrations[...]
  }

  /// Takes the next report: a node that reported was seen.
  mutating func see(_ report: StoredReport) {
    // The documented dialect has no registry.
    guard report.dialect == .deployed else { return }
    while let next = registrations.first, next.receivedAt <= report.receivedAt { register(next) }
    tables.see(report.agent, at: report.receivedAt)
  }

  /// Takes the registrations that are left.
  mutating func end() -> OracleRegistry.Tables {
    while let next = registrations.first { register(next) }
    return tables
  }

  private mutating func register(_ stored: StoredRegistration) {
    registrations.removeFirst()
    // What was taken once has the right form; a file that somebody changed is read as far as it makes
    // sense.
    guard let registration = try? Registration(stored.kind, stored.body) else { return }
    _ = tables.take(registration, at: stored.receivedAt)
  }
}
