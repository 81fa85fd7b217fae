import EthereumPrimitives
import GRDB
import PlumiseWire
import Synchronization

/// What the oracle accepted in an SQLite file, each thing on disk before it is acknowledged.
///
/// The file is in write-ahead mode and every commit is flushed (`synchronous = FULL`), so that a
/// process killed at any moment has kept everything it acknowledged. What comes while a commit is
/// being flushed shares the next one.
public final class SQLiteReportLog: ReportLog {
  private struct Waiting {
    let write: @Sendable (Database) throws -> Void
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var waiting: [Waiting] = []
    var isWriting = false
    var reports: [StoredReport] = []
    var registrations: [StoredRegistration] = []
    var contributions: [StoredContribution] = []
  }

  private let pool: DatabasePool
  /// The highest sequence number in the file; this process counts on from there.
  private let base: Int64
  private let state: Mutex<State>

  /// Opens a file, or makes it.
  /// - Parameter path: the file's path; two more files stand beside it while it is open.
  /// - Throws: ``ReportLogError`` when the file cannot be opened or is something else.
  public init(path: String) throws(ReportLogError) {
    do {
      var configuration = Configuration()
      // One that has the file still, about to close it, is waited for.
      configuration.busyMode = .timeout(5)
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
      pool = try DatabasePool(path: path, configuration: configuration)
      let (held, highest) = try pool.write { database in
        try ReportTable.create(in: database)
        try RegistryTable.create(in: database)
        try ContributionTable.create(in: database)
        let held = State(
          reports: try ReportTable.all(in: database),
          registrations: try RegistryTable.all(in: database),
          contributions: try ContributionTable.all(in: database))
        return (held, try ReportTable.highestSequence(in: database))
      }
      state = Mutex(held)
      base = highest
    } catch {
      throw ReportLogError(path: path, reason: String(describing: error))
    }
  }

  /// The reports that the file held when it was opened: once, then no more.
  public var recovered: [StoredReport] { take(\.reports) }
  /// The registrations that it held, likewise.
  public var recoveredRegistrations: [StoredRegistration] { take(\.registrations) }
  /// The contributions that it held, likewise.
  public var recoveredContributions: [StoredContribution] { take(\.contributions) }

  private func take<Item: Sendable>(_ held: any WritableKeyPath<State, [Item]> & Sendable) -> [Item]
  {
    state.withLock { state in
      let items = state[keyPath: held]
      state[keyPath: held] = []
      return items
    }
  }

  /// Keeps a report for good.
  /// - Throws: SQLite's error when it cannot be written: a full disk, a file taken away.
  public func append(_ report: StoredReport, sequence: Int64) async throws {
    let number = base + sequence
    try await commit { try ReportTable.insert(report, sequence: number, into: $0) }
  }

  /// Keeps a registration for good.
  /// - Throws: SQLite's error when it cannot be written.
  public func append(_ registration: StoredRegistration) async throws {
    try await commit { try RegistryTable.insert(registration, into: $0) }
  }

  /// Keeps a contribution for good.
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

/// Why a file of reports cannot be used.
public struct ReportLogError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file.
  public let path: String
  /// What the system or SQLite says.
  public let reason: String

  /// One line: what is wrong, and what to do.
  public var description: String {
    "store \(path) cannot be opened: \(reason); give another file, or remove this one"
  }
}
