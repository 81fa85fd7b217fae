import EthereumPrimitives
import PlumiseWire
import Synchronization

/// Nodes and pipelines behind their lock, and the log that makes them last.
final class OracleRegistry: Sendable {
  struct Tables: Sendable {
    var nodes = NodeTable()
    var pipeline: PipelineTable
    /// The timestamp of the last message of each kind that was taken from an account.
    fileprivate var lastTimestamps: [StoredRegistration.Kind: [Address: Double]] = [:]

    /// Takes a message that was checked.
    /// - Returns: the layers that the node got, when it asked for some.
    fileprivate mutating func take(
      _ registration: Registration, at time: Int64
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
        return pipeline.register(registration, at: time)
      case .pipelineReady:
        pipeline.markReady(registration.agent, model: registration.text("model"), at: time)
        return nil
      }
    }

    /// Notes that an agent reported.
    fileprivate mutating func see(_ agent: Address, at time: Int64) {
      nodes.see(agent, at: time, reported: true)
      pipeline.see(agent, at: time)
    }

    /// - Throws: ``Refusal/registrationReplay(timestamp:last:)``.
    fileprivate func checkReplay(_ registration: Registration) throws(Refusal) {
      let last = lastTimestamps[registration.kind]?[registration.agent] ?? 0
      guard registration.timestamp > last else {
        throw .registrationReplay(timestamp: registration.timestamp, last: last)
      }
    }
  }

  private let tables: Mutex<Tables>
  private let log: (any ReportLog)?
  private let turns = AgentTurns()

  /// Opens the registry, with everything that the log holds.
  /// - Parameter reports: the reports that the log held: a node that reported was seen.
  init(
    profile: OracleProfile, layerCounts: [String: Int], log: (any ReportLog)?,
    reports: [StoredReport]
  ) {
    var tables = Tables(pipeline: PipelineTable(profile: profile, layerCounts: layerCounts))
    // The documented dialect has no registry.
    var seen = reports.filter { $0.dialect == .deployed }[...]
    for stored in log?.recoveredRegistrations ?? [] {
      while let report = seen.first, report.receivedAt < stored.receivedAt {
        tables.see(report.agent, at: report.receivedAt)
        _ = seen.popFirst()
      }
      // What was taken once has the right form; a file that somebody changed is read as far as it
      // makes sense.
      guard let registration = try? Registration(stored.kind, stored.body) else { continue }
      _ = tables.take(registration, at: stored.receivedAt)
    }
    for report in seen { tables.see(report.agent, at: report.receivedAt) }
    self.tables = Mutex(tables)
    self.log = log
  }

  /// Takes a message that was checked, and returns once it is kept for good.
  /// - Returns: the layers that the node got, when it asked for some.
  /// - Throws: ``Refusal`` for a replay, a pipeline without room, or a log that cannot keep it.
  func take(
    _ registration: Registration, at time: Int64
  ) async throws(Refusal)
    -> LayerAssignment?
  {
    await turns.begin(registration.agent)
    defer { turns.end(registration.agent) }
    try checkReplay(registration)
    if registration.kind == .pipelineNode {
      let model = registration.text("model")
      let (hasRoom, layers) = read {
        (
          $0.pipeline.hasRoom(for: registration.agent, model: model, at: time),
          $0.pipeline.layers(of: model)
        )
      }
      guard hasRoom else { throw .pipelineFull(layers: layers) }
    }
    do {
      try await log?.append(registration.stored(at: time))
    } catch {
      throw .notStored(String(describing: error))
    }
    return tables.withLock { $0.take(registration, at: time) }
  }

  func checkReplay(_ registration: Registration) throws(Refusal) {
    try tables.withLock { tables throws(Refusal) in try tables.checkReplay(registration) }
  }

  /// Notes that an agent reported.
  func see(_ agent: Address, at now: Int64) {
    tables.withLock { $0.see(agent, at: now) }
  }

  /// Looks something up.
  func read<R: Sendable>(_ look: @Sendable (Tables) -> R) -> R { tables.withLock { look($0) } }
}
