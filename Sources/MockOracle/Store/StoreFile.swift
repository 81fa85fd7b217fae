import EthereumPrimitives
import Foundation
import GRDB
import Synchronization
import SystemErrors

/// A store's file, locked for one oracle: against other processes, and against other parts of this
/// one.
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

  /// The files that this process has locked.
  ///
  /// Asked before a file is opened for its lock: closing any descriptor of a file drops the locks that
  /// SQLite has on it in this process (fcntl(2)).
  private static let lockedFiles = Mutex<Set<Identity>>([])
  /// The pause between two attempts at a file that is in use, in seconds.
  private static let retryInterval = 0.01

  let path: String
  /// Whether there was no such file before.
  let isNew: Bool
  private let identity: Identity
  private let lock: Mutex<FileLock?>

  /// Takes a file, or makes it.
  /// - Parameter lockTimeout: how long one that somebody has, perhaps about to close it, is waited for.
  /// - Throws: `FileError`; then nothing was written, and no file was made.
  init(path: String, lockTimeout: Duration) throws(FileError) {
    self.path = path
    let limit = ContinuousClock.now + lockTimeout
    while true {
      do throws(FileError) {
        let (lock, identity, isNew) = try Self.acquire(path)
        self.lock = Mutex(lock)
        self.identity = identity
        self.isNew = isNew
        return
      } catch {
        guard error.code == .inUse, ContinuousClock.now < limit else { throw error }
      }
      Thread.sleep(forTimeInterval: Self.retryInterval)
    }
  }

  deinit {
    lock.withLock { $0 = nil }
    _ = Self.lockedFiles.withLock { $0.remove(identity) }
  }

  /// Removes a file that was made here and never written.
  func removeIfEmpty() {
    var status = stat()
    if isNew, stat(path, &status) == 0, status.st_size == 0 { unlink(path) }
  }

  private static func acquire(
    _ path: String
  ) throws(FileError) -> (FileLock, Identity, isNew: Bool) {
    try lockedFiles.withLock { lockedFiles throws(FileError) in
      let known = Identity(path)
      if let known {
        guard !lockedFiles.contains(known) else {
          throw FileError.store(path, .inUse, "it is in use by this process")
        }
        try check(path)
      }
      let lock: FileLock
      do throws(FileError) { lock = try FileLock(path: path) } catch {
        let reason = error.code == .inUse ? "it is \(error.reason)" : error.reason
        throw FileError.store(path, error.code, reason, cause: error)
      }
      guard let identity = Identity(path) else {
        throw FileError.store(path, .unusable, "it was removed just now")
      }
      lockedFiles.insert(identity)
      return (lock, identity, known == nil)
    }
  }

  /// Refuses what is no file that can be written.
  private static func check(_ path: String) throws(FileError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .store(
        path, .unusable,
        status.st_mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is no regular file")
    }
    // Root may write everything; a file that nobody may write was not meant to be written.
    guard status.st_mode & 0o222 != 0, access(path, W_OK) == 0 else {
      throw .store(path, .readOnly, "it may not be written")
    }
    let folder = (path as NSString).deletingLastPathComponent
    guard access(folder.isEmpty ? "." : folder, W_OK) == 0 else {
      throw .store(
        path, .unusable,
        "its folder may not be written, where two more files stand while it is open")
    }
  }
}

/// Opens a store's file: identifies it, makes what is missing, and reads what a start needs.
struct StoreOpening {
  /// What a start needs.
  struct Opened {
    let pool: DatabasePool
    let highest: Int64
    let ledger: LedgerSnapshot
    let registry: RegistrySnapshot
  }

  let path: String
  let profile: OracleProfile
  let layerCounts: [String: Int]
  let trace: (@Sendable (String) -> Void)?

  func open() throws(FileError) -> Opened {
    do {
      switch try StoreFormat.inspect(path) {
      case .nothing: try create()
      case .pending: try checkSchema()
      case .store: break
      }
      let pool = try DatabasePool(path: path, configuration: configuration())
      return try pool.write { try read($0, pool) }
    } catch let error as FileError {
      throw error
    } catch {
      throw .store(path, .unusable, Self.message(of: error), cause: error)
    }
  }

  private static func message(of error: any Error) -> String {
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

  /// Makes the tables of a new file, in the file itself and not in a log beside it, so that the
  /// file can be identified from now on.
  private func create() throws {
    let queue = try DatabaseQueue(path: path, configuration: configuration())
    try queue.write { try makeTables(in: $0) }
    try queue.close()
  }

  /// Checks the schema of a file that only SQLite can read.
  private func checkSchema() throws {
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
    do throws(FileError) {
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
    for (table, column, definition) in StoreFormat.laterColumns
    where try !database.columns(in: table).contains(where: { $0.name == column }) {
      try database.execute(sql: "ALTER TABLE \(table) ADD COLUMN \(column) \(definition)")
    }
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
      throw FileError.damagedStore(path, "a report has the number \(highest)")
    }
    do {
      let registration =
        try Int64.fetchOne(database, sql: "SELECT MAX(position) FROM registration") ?? 0
      if numbers.version == StoreFormat.version,
        let accounted = try TotalTables.accounted(in: database),
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
        ledger: LedgerSnapshot(
          agents: totals.agents, epochs: totals.epochs,
          reports: try ReportTable.latest(in: database, below: highest)),
        registry: try RegistryTable.read(in: database))
    } catch let error as DatabaseError
      where ![.SQLITE_ERROR, .SQLITE_CORRUPT].contains(error.resultCode)
    {
      throw error
    } catch {
      throw FileError.damagedStore(path, Self.message(of: error))
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
    var verified: [(report: Int64, position: Int)] = []
    try ReportTable.forEach(in: database) { sequence, report in
      let effect = ledger.effect(of: report)
      ledger.apply(effect)
      if effect.isFirstInEpoch {
        firstReports[report.agent, default: [:]][report.epoch] = sequence
      }
      latest[report.agent] = report.epoch
      for (position, proof) in effect.report.proofs.enumerated() where proof.isVerified {
        verified.append((sequence, position))
      }
      replay.apply(report)
    }
    for (report, position) in verified {
      try ReportTable.setVerified(report, position, in: database)
    }
    let closed = try ContributionTable.closed(in: database)
    for (agent, record) in ledger.agents {
      try TotalTables.write(
        LedgerSnapshot.Agent(
          record: record, latestEpoch: latest[agent] ?? 0, closedEpoch: closed[agent]),
        into: database)
      for epoch in ledger.epochs.history(of: agent) {
        try TotalTables.write(
          epoch, firstReport: firstReports[agent]?[epoch.epoch] ?? 0, into: database)
      }
    }
    for (agent, epoch) in settled { try TotalTables.settle(epoch, of: agent, in: database) }
    try RegistryTable.write(replay.finish(), into: database)
    try TotalTables.setAccounted(report: report, registration: registration, in: database)
  }
}
