import EthereumPrimitives
import Foundation
import GRDB
public import SystemErrors

/// How a store is recognised: by the application id and the version in the file's header, or by the
/// tables of stores that were made before there were these numbers.
enum StoreFormat {
  /// `PlOr`, the application's id in the file.
  static let applicationID: UInt32 = 0x506c_4f72
  /// The version of the tables; since 2 they hold which proofs were verified, and all that a node of
  /// a pipeline said of itself.
  static let version: UInt32 = 2

  /// The columns that a version before lacks, in the order in which they stand at the end of their
  /// tables.
  static let laterColumns: [(table: String, column: String, definition: String)] = [
    ("proof", "verified", "INTEGER NOT NULL DEFAULT 0"),
    ("agent_total", "verified_count", "INTEGER NOT NULL DEFAULT 0"),
    ("agent_total", "verified_tokens", "TEXT NOT NULL DEFAULT '0'"),
    ("epoch_total", "verified_count", "INTEGER NOT NULL DEFAULT 0"),
    ("epoch_total", "verified_tokens", "TEXT NOT NULL DEFAULT '0'"),
    ("node", "benchmark", "REAL"),
    ("pipeline_node", "ram_mb", "REAL NOT NULL DEFAULT 0"),
    ("pipeline_node", "device", "TEXT NOT NULL DEFAULT ''"),
    ("pipeline_node", "vram_mb", "REAL NOT NULL DEFAULT 0"),
    ("pipeline_node", "benchmark", "REAL NOT NULL DEFAULT 0"),
    ("pipeline_node", "created_at", "INTEGER NOT NULL DEFAULT 0"),
  ]

  /// The tables of stores without numbers.
  private static let legacyTables: Set = ["report", "proof", "registration", "contribution"]
  /// Columns that the statement names which made the first of them.
  private static let legacyColumns = [
    "sequence", "dialect", "agent", "epoch", "processed_tokens", "average_latency_ms",
    "uptime_seconds", "tasks_completed", "timestamp", "received_at", "signature",
  ]

  /// What a file holds.
  enum Content {
    /// Nothing yet.
    case nothing
    /// A store of this version, or of one before.
    case store
    /// What only SQLite can read: a process that was killed left the schema in the write-ahead log
    /// beside the file.
    case pending
  }

  /// Looks at a file, and writes nothing.
  /// - Throws: `FileError` for what is no store of ours.
  static func inspect(_ path: String) throws(FileError) -> Content {
    var start: [UInt8] = []
    do {
      let handle = try FileHandle(forReadingFrom: URL(filePath: path))
      defer {
        // Nothing was written that a failure to close could lose.
        try? handle.close()
      }
      start = Array(try handle.read(upToCount: 1 << 16) ?? Data())
    } catch {
      throw .store(path, .unusable, error.systemReason, cause: error)
    }
    if start.isEmpty { return .nothing }
    guard let header = SQLiteHeader(start) else {
      throw .store(path, .wrongFormat, "it is no SQLite database")
    }
    var hasSchema = true
    if header.applicationID == 0 && header.userVersion == 0 {
      guard let schema = header.schema else {
        throw .foreignStore(path, "with more tables than this program makes")
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
  ) throws(FileError) {
    guard applicationID == Self.applicationID else {
      let name = String(applicationID, radix: 16)
      throw .foreignStore(path, "application id 0x\(name), user version \(version)")
    }
    guard version <= Self.version else {
      throw .store(
        path, .unsupportedVersion,
        "a newer version of this program wrote it: its format is \(version), and this version knows "
          + "\(Self.version) at most")
    }
  }

  /// Refuses tables that no store without numbers had.
  static func check(
    _ tables: [(name: String, statement: String)], _ path: String
  ) throws(FileError) {
    let names = tables.map(\.name)
    guard Set(names).isSubset(of: legacyTables),
      let report = tables.first(where: { $0.name == "report" }),
      legacyColumns.allSatisfy({ report.statement.contains($0) })
    else {
      let told = names.prefix(5).joined(separator: ", ")
      throw .foreignStore(path, "its tables: \(told)")
    }
  }

  /// Whether a write-ahead log stands beside the file that was not merged into it.
  private static func hasLog(_ path: String) -> Bool {
    var status = stat()
    return stat(path + "-wal", &status) == 0 && status.st_size > 0
  }
}

/// What the first page of an SQLite file says, read without SQLite, which would write beside the
/// file.
///
/// Source: https://www.sqlite.org/fileformat2.html, sections 1.3, 1.6 and 2.1.
struct SQLiteHeader {
  /// An entry of the schema: a table's or an index's name, and the statement that made it.
  struct Entry {
    let kind: String
    let name: String
    let statement: String
  }

  static let magic = Array("SQLite format 3\0".utf8)

  /// The number that identifies the program (`PRAGMA application_id`).
  let applicationID: UInt32
  /// The version of the tables (`PRAGMA user_version`).
  let userVersion: UInt32
  /// The schema; nil where it is larger than the first page.
  let schema: [Entry]?

  /// Reads the start of a file; nil for what is no SQLite file.
  /// - Parameter bytes: 64 KiB, or what there is.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 100, bytes.starts(with: Self.magic) else { return nil }
    func number(at offset: Int, bytes count: Int) -> UInt32 {
      bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt32($1) }
    }
    applicationID = number(at: 68, bytes: 4)
    userVersion = number(at: 60, bytes: 4)
    let size = number(at: 16, bytes: 2)
    let page = bytes.prefix(size == 1 ? 65_536 : Int(size))
    // A leaf of a table's tree holds everything; other kinds say where the rest stands.
    guard page.count >= 108, page[100] == 0x0d else {
      schema = nil
      return
    }
    var entries: [Entry] = []
    for index in 0..<Int(number(at: 103, bytes: 2)) {
      let pointer = 108 + 2 * index
      guard pointer + 2 <= page.count,
        let entry = Self.entry(page, at: Int(number(at: pointer, bytes: 2)))
      else {
        schema = nil
        return
      }
      entries.append(entry)
    }
    schema = entries
  }

  /// One cell: the payload's length, the row's id, and the record.
  private static func entry(_ page: ArraySlice<UInt8>, at start: Int) -> Entry? {
    var position = start
    guard variable(page, &position) != nil, variable(page, &position) != nil else { return nil }
    let head = position
    guard let length = variable(page, &position) else { return nil }
    var types: [Int] = []
    while position < head + length, let type = variable(page, &position) { types.append(type) }
    guard types.count >= 5 else { return nil }
    position = head + length
    var texts: [String] = []
    for type in types.prefix(5) {
      let count = Self.byteCount(type)
      // A long statement goes on elsewhere; what stands here is enough.
      let end = min(position + count, page.count)
      guard position <= end else { return nil }
      texts.append(String(decoding: page[position..<end], as: UTF8.self))
      position = end
    }
    return Entry(kind: texts[0], name: texts[1], statement: texts[4])
  }

  /// How many bytes a value of a serial type takes.
  private static func byteCount(_ type: Int) -> Int {
    switch type {
    case 0...4: type
    case 5: 6
    case 6, 7: 8
    case 8...11: 0
    default: (type - 12) / 2
    }
  }

  /// A number of variable length; nil for one that is larger than any file of ours needs.
  private static func variable(_ page: ArraySlice<UInt8>, _ position: inout Int) -> Int? {
    var value = 0
    for _ in 0..<5 {
      guard page.indices.contains(position) else { return nil }
      let byte = page[position]
      position += 1
      value = value << 7 | Int(byte & 0x7f)
      if byte < 0x80 { return value }
    }
    return nil
  }
}

/// Reads rows of a file that anybody may have changed: what is missing or of another type is an error
/// and not the process's end.
extension Row {
  /// The value of a column.
  /// - Throws: an error that names the column and shows what it holds.
  func read<Value: DatabaseValueConvertible>(
    _ column: String, as type: Value.Type = Value.self
  ) throws -> Value {
    let held: DatabaseValue? = self[column]
    guard let held, let value = Value.fromDatabaseValue(held) else {
      throw DatabaseError(
        message: "column \(column) holds \(held?.description ?? "nothing") and no \(Value.self)")
    }
    return value
  }

  /// The value of a column that may be empty.
  func readIfPresent<Value: DatabaseValueConvertible>(
    _ column: String, as type: Value.Type = Value.self
  ) throws -> Value? {
    let held: DatabaseValue? = self[column]
    return held?.isNull == false ? try read(column, as: type) : nil
  }

  /// A number of zero or more.
  func readCount(_ column: String) throws -> Int64 {
    let value: Int64 = try read(column)
    guard value >= 0 else { throw DatabaseError(message: "column \(column) holds \(value)") }
    return value
  }

  /// A finite number of zero or more; SQLite keeps infinite ones as well.
  func readMeasure(_ column: String) throws -> Double {
    let value: Double = try read(column)
    guard value.isFinite, value >= 0 else {
      throw DatabaseError(message: "column \(column) holds \(value)")
    }
    return value
  }

  func readAddress(_ column: String) throws -> Address {
    try Address(checksummed: try read(column, as: String.self))
  }

  func readEpoch(_ column: String) throws -> UInt64 { UInt64(bitPattern: try read(column)) }

  /// How many proofs there were, and of how many tokens.
  func readTally() throws -> ProofTally {
    ProofTally(
      count: Int(try readTotal("proof_count")), tokens: try readSum("proof_tokens"),
      verifiedCount: Int(try readTotal("verified_count")),
      verifiedTokens: try readSum("verified_tokens"))
  }

  private func readSum(_ column: String) throws -> Int128 {
    let text: String = try read(column)
    // As many as a million reports of the greatest number bring.
    guard let tokens = Int128(text), (0...Int128(1) << 100).contains(tokens) else {
      throw DatabaseError(message: "column \(column) holds \"\(text)\"")
    }
    return tokens
  }

  /// A count that goes on being counted.
  func readTotal(_ column: String) throws -> Int64 {
    let value = try readCount(column)
    guard value <= 1 << 60 else { throw DatabaseError(message: "column \(column) holds \(value)") }
    return value
  }
}

extension FileError.Purpose {
  /// A file that keeps what an oracle accepted.
  public static let reportStore = Self(rawValue: "store")
}

extension FileError {
  /// Why a file of reports cannot be used, with what to do about it.
  static func store(
    _ path: String, _ code: Code, _ reason: String, cause: (any Error)? = nil
  ) -> FileError {
    let advice =
      switch code {
      case .inUse: "stop that one, or name another file"
      case .readOnly: "make it writable, or name another file"
      case .wrongFormat, .foreign: "name another file; this one was not changed"
      case .unsupportedVersion: "use that version, or name another file; this one was not changed"
      case .damaged: "name another file, or bring this one back from a copy"
      default: "name another file"
      }
    return FileError(
      code, path: path, purpose: .reportStore, reason: reason,
      message: "store \(path) cannot be opened: \(reason); \(advice)", cause: cause)
  }

  /// The file is an SQLite database of another program, which can be told by a sign.
  static func foreignStore(_ path: String, _ sign: String) -> FileError {
    store(path, .foreign, "it is an SQLite database of another program (\(sign))")
  }

  /// The file holds something that this program never writes.
  static func damagedStore(_ path: String, _ what: String) -> FileError {
    store(path, .damaged, "it is damaged: \(what)")
  }
}
