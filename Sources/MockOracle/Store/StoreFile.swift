import EthereumPrimitives
import Foundation
import GRDB
import Synchronization
import SystemErrors

/// A store's file, taken by one oracle until it lets go of it: no second process gets it, and no
/// second part of this one.
final class StoreFile: Sendable {
  private struct Identity: Hashable {
    let device: UInt64
    let file: UInt64

    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      device = UInt64(status.st_dev)
      file = UInt64(status.st_ino)
    }
  }

  /// The files that this process has taken.
  ///
  /// Asked before a file is opened for its lock: closing any descriptor of a file drops the locks that
  /// SQLite has on it in this process (fcntl(2)).
  private static let taken = Mutex<Set<Identity>>([])
  /// The pause between two looks at a file that somebody has.
  private static let pause = 0.01

  let path: String
  /// Whether there was no such file before.
  let isNew: Bool
  private let identity: Identity
  private let lock: Mutex<FileLock?>

  /// Takes a file, or makes it.
  /// - Parameter lockTimeout: how long one that somebody has, perhaps about to close it, is waited for.
  /// - Throws: ``ReportLogError``; then nothing was written, and no file was made.
  init(path: String, lockTimeout: Duration) throws(ReportLogError) {
    self.path = path
    let limit = ContinuousClock.now + lockTimeout
    while true {
      do throws(ReportLogError) {
        let (lock, identity, isNew) = try Self.take(path)
        self.lock = Mutex(lock)
        self.identity = identity
        self.isNew = isNew
        return
      } catch {
        guard case .inUse = error.cause, ContinuousClock.now < limit else { throw error }
      }
      Thread.sleep(forTimeInterval: Self.pause)
    }
  }

  deinit {
    lock.withLock { $0 = nil }
    _ = Self.taken.withLock { $0.remove(identity) }
  }

  /// Removes a file that was made here and never written.
  func removeIfEmpty() {
    var status = stat()
    if isNew, stat(path, &status) == 0, status.st_size == 0 { unlink(path) }
  }

  private static func take(
    _ path: String
  ) throws(ReportLogError) -> (FileLock, Identity, isNew: Bool) {
    try taken.withLock { taken throws(ReportLogError) in
      let known = Identity(path)
      if let known {
        guard !taken.contains(known) else {
          throw ReportLogError(path: path, .inUse(by: "this process"))
        }
        try check(path)
      }
      let lock: FileLock
      do throws(FileLockError) { lock = try FileLock(path: path) } catch {
        throw ReportLogError(error)
      }
      guard let identity = Identity(path) else {
        throw ReportLogError(path: path, .unusable("it was removed just now"))
      }
      taken.insert(identity)
      return (lock, identity, known == nil)
    }
  }

  /// Refuses what is no file that can be written.
  private static func check(_ path: String) throws(ReportLogError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ReportLogError(
        path: path,
        .unusable(status.st_mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is no regular file"))
    }
    // Root may write everything; a file that nobody may write was not meant to be written.
    guard status.st_mode & 0o222 != 0, access(path, W_OK) == 0 else {
      throw ReportLogError(path: path, .readOnly)
    }
    let folder = (path as NSString).deletingLastPathComponent
    guard access(folder.isEmpty ? "." : folder, W_OK) == 0 else {
      throw ReportLogError(
        path: path,
        .unusable("its folder may not be written, where two more files stand while it is open"))
    }
  }
}

/// Opens a store's file: finds out what it is, makes what is missing, and reads what a start needs.
struct StoreOpening {
  /// What a start needs.
  struct Opened {
    let pool: DatabasePool
    let highest: Int64
    let reportStore: KeptBooks
    let registry: KeptRegistry
  }

  let path: String
  let profile: OracleProfile
  let layerCounts: [String: Int]
  let trace: (@Sendable (String) -> Void)?

  func open() throws(ReportLogError) -> Opened {
    do {
      switch try StoreFormat.inspect(path) {
      case .nothing: try create()
      case .pending: try checkTables()
      case .store: break
      }
      let pool = try DatabasePool(path: path, configuration: configuration())
      return try pool.write { try read($0, pool) }
    } catch let error as ReportLogError {
      throw error
    } catch {
      throw ReportLogError(path: path, .unusable(Self.words(error)))
    }
  }

  private static func words(_ error: any Error) -> String {
    guard let error = error as? DatabaseError else { return String(describing: error) }
    return error.message ?? String(describing: error)
  }

  private func configuration(readOnly: Bool = false) -> Configuration {
    var configuration = Configuration()
    configuration.readonly = readOnly
    configuration.busyMode = .timeout(5)
    let trace = trace
    configuration.prepareDatabase { database in
      // What is read again and again is small: half a mebibyte of pages, and not two.
      try database.execute(sql: "PRAGMA cache_size = -512")
      if !readOnly { try database.execute(sql: "PRAGMA synchronous = FULL") }
      if let trace { database.trace { trace("\($0)") } }
    }
    return configuration
  }

  /// Makes the tables of a new file, in the file itself and not in a log beside it: whoever looks at
  /// the file from now on can tell whose it is.
  private func create() throws {
    let queue = try DatabaseQueue(path: path, configuration: configuration())
    try queue.write { try makeTables(in: $0) }
    try queue.close()
  }

  /// Reads the schema of a file of which only SQLite knows it.
  private func checkTables() throws {
    let shared = path + "-shm"
    let hadShared = FileManager.default.fileExists(atPath: shared)
    let queue = try DatabaseQueue(path: path, configuration: configuration(readOnly: true))
    let tables = try queue.read { database in
      try Row.fetchAll(
        database, sql: "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
      ).map {
        (name: try $0.read("name", as: String.self), statement: try $0.read("sql", as: String.self))
      }
    }
    let numbers = try queue.read(Self.numbers)
    try queue.close()
    do throws(ReportLogError) {
      if numbers.applicationID == 0 && numbers.version == 0 {
        if !tables.isEmpty { try StoreFormat.check(tables, path) }
      } else {
        try StoreFormat.check(
          applicationID: numbers.applicationID, version: numbers.version, path)
      }
    } catch {
      // Whoever the file belongs to finds beside it what stood there.
      if !hadShared { unlink(shared) }
      throw error
    }
  }

  private static func numbers(
    _ database: Database
  ) throws -> (applicationID: UInt32, version: UInt32) {
    func number(_ name: String) throws -> UInt32 {
      UInt32(bitPattern: try Int32.fetchOne(database, sql: "PRAGMA \(name)") ?? 0)
    }
    return (try number("application_id"), try number("user_version"))
  }

  private func makeTables(in database: Database) throws {
    try ReportTable.create(in: database)
    try RegistryTable.create(in: database)
    try ContributionTable.create(in: database)
    try TotalTables.create(in: database)
    try database.execute(
      sql: """
        PRAGMA application_id = \(StoreFormat.applicationID);
        PRAGMA user_version = \(StoreFormat.version);
        """)
  }

  private func read(_ database: Database, _ pool: DatabasePool) throws -> Opened {
    // The head of the file may lag behind the log beside it.
    let numbers = try Self.numbers(database)
    if numbers.applicationID != 0 || numbers.version != 0 {
      try StoreFormat.check(applicationID: numbers.applicationID, version: numbers.version, path)
    }
    if numbers.version < StoreFormat.version { try makeTables(in: database) }
    let highest = try ReportTable.highestSequence(in: database)
    // More than any oracle takes: a file that somebody changed.
    guard highest < .max / 2 else {
      throw ReportLogError(path: path, .damaged("a report has the number \(highest)"))
    }
    do {
      let registration =
        try Int64.fetchOne(database, sql: "SELECT MAX(position) FROM registration") ?? 0
      if let accounted = try TotalTables.accounted(in: database),
        accounted == (highest, registration)
      {
        // The usual case.
      } else {
        // An earlier version wrote to the file, or wrote all of it.
        try account(for: database, upTo: highest, registration)
      }
      let totals = try TotalTables.read(in: database)
      return Opened(
        pool: pool, highest: highest,
        reportStore: KeptBooks(
          agents: totals.agents, epochs: totals.epochs,
          reports: try ReportTable.latest(in: database, below: highest)),
        registry: try RegistryTable.read(in: database))
    } catch let error as DatabaseError
      where ![.SQLITE_ERROR, .SQLITE_CORRUPT].contains(error.resultCode)
    {
      throw error
    } catch {
      throw ReportLogError(path: path, .damaged(Self.words(error)))
    }
  }

  /// Adds up everything that the file holds, in the order in which it came.
  private func account(
    for database: Database, upTo report: Int64, _ registration: Int64
  ) throws {
    let settled = try TotalTables.settled(in: database)
    try TotalTables.clear(in: database)
    // Every epoch stays until it is written.
    var ledger = Ledger(profile: profile, awaitsContributions: true)
    var replay = RegistryReplay(
      OracleRegistry.Tables(pipeline: PipelineTable(profile: profile, layerCounts: layerCounts)),
      registrations: try RegistryTable.all(in: database))
    var firstReports: [Address: [UInt64: Int64]] = [:]
    var latest: [Address: UInt64] = [:]
    try ReportTable.forEach(in: database) { sequence, report in
      let effect = ledger.effect(of: report)
      ledger.apply(effect)
      if effect.isFirstInEpoch {
        firstReports[report.agent, default: [:]][report.epoch] = sequence
      }
      latest[report.agent] = report.epoch
      replay.see(report)
    }
    let closed = try ContributionTable.closed(in: database)
    for (agent, record) in ledger.agents {
      try TotalTables.write(
        KeptBooks.Agent(
          record: record, latestEpoch: latest[agent] ?? 0, closedEpoch: closed[agent]),
        into: database)
      for epoch in ledger.epochs.history(of: agent) {
        try TotalTables.write(
          epoch, firstReport: firstReports[agent]?[epoch.epoch] ?? 0, into: database)
      }
    }
    for (agent, epoch) in settled { try TotalTables.settle(epoch, of: agent, in: database) }
    try RegistryTable.write(replay.end(), into: database)
    try TotalTables.note(report: report, registration: registration, in: database)
  }
}

/// What the first page of an SQLite file says, read without SQLite, which would write beside the file.
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

  /// The number by which programs tell their files (`PRAGMA application_id`).
  let applicationID: UInt32
  /// The number by which a program tells its versions (`PRAGMA user_version`).
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
