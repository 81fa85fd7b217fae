import EthereumPrimitives
import Foundation
import GRDB

/// Opens a store's file: finds out what it is, makes what is missing, and reads what a start needs.
struct StoreOpening {
  /// What a start needs.
  struct Opened {
    let pool: DatabasePool
    let highest: Int64
    let books: KeptBooks
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
        books: KeptBooks(
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
