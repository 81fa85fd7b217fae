import EthereumPrimitives
import GRDB
import PlumiseWire
import Synchronization

/// Accepted reports in an SQLite file, each on disk before it is acknowledged.
///
/// The file is in write-ahead mode and every commit is flushed (`synchronous = FULL`), so that a
/// process killed at any moment has kept every report it acknowledged. Reports that come while a
/// commit is being flushed share the next one.
public final class SQLiteReportLog: ReportLog {
  private struct Waiting {
    let report: StoredReport
    let sequence: Int64
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var waiting: [Waiting] = []
    var isWriting = false
  }

  /// What the file held when it was opened, in the order it was taken.
  public let recovered: [StoredReport]
  private let pool: DatabasePool
  /// The highest sequence number in the file; this process counts on from there.
  private let base: Int64
  private let state = Mutex(State())

  /// Opens a file, or makes it.
  /// - Parameter path: the file's path; two more files stand beside it while it is open.
  /// - Throws: ``ReportLogError`` when the file cannot be opened or is something else.
  public init(path: String) throws(ReportLogError) {
    do {
      var configuration = Configuration()
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
      pool = try DatabasePool(path: path, configuration: configuration)
      (recovered, base) = try pool.write { database in
        try ReportTable.create(in: database)
        return (
          try ReportTable.all(in: database), try ReportTable.highestSequence(in: database)
        )
      }
    } catch {
      throw ReportLogError(path: path, reason: String(describing: error))
    }
  }

  /// Keeps a report for good.
  /// - Throws: SQLite's error when it cannot be written: a full disk, a file taken away.
  public func append(_ report: StoredReport, sequence: Int64) async throws {
    try await withCheckedThrowingContinuation { continuation in
      let mustWrite = state.withLock { state in
        state.waiting.append(
          Waiting(report: report, sequence: base + sequence, continuation: continuation))
        defer { state.isWriting = true }
        return !state.isWriting
      }
      if mustWrite { Task { await self.write() } }
    }
  }

  /// Commits whatever waits, until nothing does.
  private func write() async {
    while true {
      let batch = state.withLock { state in
        defer { state.waiting = [] }
        state.isWriting = !state.waiting.isEmpty
        return state.waiting
      }
      if batch.isEmpty { return }
      do {
        try await pool.write { database in
          for item in batch {
            try ReportTable.insert(item.report, sequence: item.sequence, into: database)
          }
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
