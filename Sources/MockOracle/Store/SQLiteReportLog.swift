import EthereumPrimitives
import Foundation
import GRDB
import PlumiseWire
import Synchronization
public import SystemErrors

/// A durable log in an SQLite file: what the oracle accepts is on disk before it is acknowledged.
///
/// The file belongs to one log at a time. It is in write-ahead mode and every commit is flushed
/// (`synchronous = FULL`), so that a process killed at any moment has kept everything it acknowledged.
/// What comes while a commit is being flushed shares the next one. The totals stand in
/// tables of their own, so that a start does not read every report.
public final class SQLiteReportLog: ReportLog {
  private struct Waiting {
    let write: @Sendable (Database) throws -> Void
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var waiting: [Waiting] = []
    var isWriting = false
    var ledger: LedgerSnapshot
    var registry: RegistrySnapshot
  }

  private let pool: DatabasePool
  /// The highest sequence number in the file; this process counts on from there.
  private let base: Int64
  private let state: Mutex<State>
  /// Released after the pool.
  private let file: StoreFile

  /// Opens a file, or makes it; one that an earlier version wrote is brought up to date, which reads
  /// all of it once.
  /// - Parameters:
  ///   - path: the file's path; two more files stand beside it while it is open.
  ///   - profile: how the reports of a file of an earlier version are accounted.
  ///   - modelLayers: how the layers of its registrations are shared, as in ``OracleConfiguration``.
  /// - Throws: `FileError` when the file is in use, cannot be written or is something else.
  public convenience init(
    path: String, profile: OracleProfile = .fixed, modelLayers: [String: Int]? = nil
  ) throws(FileError) {
    try self.init(path: path, profile: profile, modelLayers: modelLayers, lockTimeout: .seconds(2))
  }

  /// - Parameters:
  ///   - lockTimeout: how long to wait for a file that is in use, perhaps about to be closed.
  ///   - trace: called with every statement that the opening runs.
  package init(
    path: String, profile: OracleProfile = .fixed, modelLayers: [String: Int]? = nil,
    lockTimeout: Duration, trace: (@Sendable (String) -> Void)? = nil
  ) throws(FileError) {
    let file = try StoreFile(path: path, lockTimeout: lockTimeout)
    do {
      let opening = StoreOpening(
        path: path, profile: profile, layerCounts: modelLayers ?? profile.modelLayers,
        trace: trace)
      let opened = try opening.open()
      (pool, base) = (opened.pool, opened.highest)
      state = Mutex(State(ledger: opened.ledger, registry: opened.registry))
      self.file = file
    } catch {
      file.removeIfEmpty()
      throw error
    }
  }

  deinit {
    // What was acknowledged is on disk; a pool that cannot be closed now is closed with its last
    // connection.
    try? pool.close()
  }

  /// The latest reports that the file held when it was opened, as many as the oracle shows: once, then
  /// no more.
  public var recovered: [StoredReport] { recoveredLedger.reports }

  /// Stores a report durably, without the totals: the next start computes them.
  /// - Throws: SQLite's error when it cannot be written: a full disk, a file lockedFiles away.
  public func append(_ report: StoredReport, sequence: Int64) async throws {
    let number = base + sequence
    try await commit { try ReportTable.insert(report, sequence: number, into: $0) }
  }

  /// Stores a registration durably, without what it changes: the next start computes that.
  /// - Throws: SQLite's error when it cannot be written.
  public func append(_ registration: StoredRegistration) async throws {
    try await commit { try RegistryTable.insert(registration, into: $0) }
  }

  /// Stores a contribution durably.
  /// - Throws: SQLite's error when it cannot be written.
  public func append(_ contribution: StoredContribution) async throws {
    try await commit { try ContributionTable.insert(contribution, into: $0) }
  }

  /// Returns once the next commit has written what a closure writes.
  private func commit(_ write: @escaping @Sendable (Database) throws -> Void) async throws {
    try await withCheckedThrowingContinuation { continuation in
      let mustWrite = state.withLock { state in
        state.waiting.append(Waiting(write: write, continuation: continuation))
        defer { state.isWriting = true }
        return !state.isWriting
      }
      if mustWrite { Task { await self.writeAll() } }
    }
  }

  /// Commits whatever waits, until nothing does.
  private func writeAll() async {
    while true {
      let batch = state.withLock { state in
        defer { state.waiting = [] }
        state.isWriting = !state.waiting.isEmpty
        return state.waiting
      }
      if batch.isEmpty { return }
      do {
        try await pool.write { database in
          for item in batch { try item.write(database) }
        }
        for item in batch { item.continuation.resume() }
      } catch {
        for item in batch { item.continuation.resume(throwing: error) }
      }
    }
  }
}

extension SQLiteReportLog: SnapshotLog {
  var recoveredLedger: LedgerSnapshot {
    state.withLock { state in
      defer { state.ledger = LedgerSnapshot() }
      return state.ledger
    }
  }

  var recoveredRegistry: RegistrySnapshot {
    state.withLock { state in
      defer { state.registry = RegistrySnapshot() }
      return state.registry
    }
  }

  func append(_ effect: Ledger.Effect, sequence: Int64) async throws {
    let number = base + sequence
    try await commit { database in
      let report = effect.report
      try ReportTable.insert(report, sequence: number, into: database)
      try TotalTables.write(effect, sequence: number, into: database)
      if report.dialect == .deployed {
        try RegistryTable.recordHeartbeat(
          of: report.agent, at: report.receivedAt, reported: true, in: database)
      }
    }
  }

  func append(
    _ registration: Registration, at time: Int64, _ change: PipelineTable.Change?
  ) async throws {
    try await commit { try RegistryTable.insert(registration, at: time, change, into: $0) }
  }

  func settle(_ epoch: UInt64, of agent: Address) async throws {
    try await commit { try TotalTables.settle(epoch, of: agent, in: $0) }
  }

  func unsettled() async throws -> (epochs: [EpochRecord], signed: [StoredContribution]) {
    try await pool.read { database in
      (try TotalTables.unsettled(in: database), try ContributionTable.unsettled(in: database))
    }
  }
}
