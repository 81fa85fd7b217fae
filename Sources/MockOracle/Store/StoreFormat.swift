import Foundation

/// By what a store is known: its numbers in the file's head, and the tables that stores had before
/// they had numbers.
enum StoreFormat {
  /// `PlOr`, the application's id in the file.
  static let applicationID: UInt32 = 0x506c_4f72
  /// The version of the tables.
  static let version: UInt32 = 1

  /// The tables of stores without numbers.
  private static let firstTables: Set = ["report", "proof", "registration", "contribution"]
  /// Words that the statement has which made the first of them.
  private static let firstColumns = [
    "sequence", "dialect", "agent", "epoch", "processed_tokens", "average_latency_ms",
    "uptime_seconds", "tasks_completed", "timestamp", "received_at", "signature",
  ]

  /// What a file holds.
  enum Content {
    /// Nothing yet.
    case nothing
    /// A store of this version, or of one before.
    case store
    /// What can only be told by SQLite: a process that was killed left the schema in the log beside
    /// the file.
    case pending
  }

  /// Looks at a file, and writes nothing.
  /// - Throws: ``ReportLogError`` for what is no store of ours.
  static func inspect(_ path: String) throws(ReportLogError) -> Content {
    var start: [UInt8] = []
    do {
      let handle = try FileHandle(forReadingFrom: URL(filePath: path))
      defer {
        // Nothing was written that a failure to close could lose.
        try? handle.close()
      }
      start = Array(try handle.read(upToCount: 1 << 16) ?? Data())
    } catch {
      throw ReportLogError(path: path, .unusable(error.systemReason))
    }
    if start.isEmpty { return .nothing }
    guard let header = SQLiteHeader(start) else { throw ReportLogError(path: path, .notADatabase) }
    var hasSchema = true
    if header.applicationID == 0 && header.userVersion == 0 {
      guard let schema = header.schema else {
        throw ReportLogError(path: path, .foreign("with more tables than this program makes"))
      }
      if schema.isEmpty && hasLog(path) { return .pending }
      hasSchema = !schema.isEmpty
      if hasSchema {
        try check(
          schema.filter { $0.kind == "table" }.map { ($0.name, $0.statement) }, path)
      }
    } else {
      try check(applicationID: header.applicationID, version: header.userVersion, path)
    }
    return hasSchema ? .store : .nothing
  }

  /// Refuses the numbers of another program and of a newer version of this one.
  static func check(
    applicationID: UInt32, version: UInt32, _ path: String
  ) throws(ReportLogError) {
    guard applicationID == Self.applicationID else {
      let name = String(applicationID, radix: 16)
      throw ReportLogError(
        path: path, .foreign("application id 0x\(name), user version \(version)"))
    }
    guard version <= Self.version else {
      throw ReportLogError(path: path, .newer(format: version, known: Self.version))
    }
  }

  /// Refuses tables that no store without numbers had.
  static func check(
    _ tables: [(name: String, statement: String)], _ path: String
  ) throws(ReportLogError) {
    let names = tables.map(\.name)
    guard Set(names).isSubset(of: firstTables),
      let report = tables.first(where: { $0.name == "report" }),
      firstColumns.allSatisfy({ report.statement.contains($0) })
    else {
      let told = names.prefix(5).joined(separator: ", ")
      throw ReportLogError(path: path, .foreign("its tables: \(told)"))
    }
  }

  /// Whether a log stands beside the file that was not brought into it yet.
  private static func hasLog(_ path: String) -> Bool {
    var status = stat()
    return stat(path + "-wal", &status) == 0 && status.st_size > 0
  }
}
