import EthereumPrimitives
import Foundation
import GRDB
import PlumiseWire

/// The tables of reports and their proofs.
enum ReportTable {
  static func create(in database: Database) throws {
    try database.execute(
      sql: """
        CREATE TABLE IF NOT EXISTS report (
          sequence INTEGER PRIMARY KEY, dialect TEXT NOT NULL, agent TEXT NOT NULL,
          epoch INTEGER NOT NULL, processed_tokens INTEGER NOT NULL,
          average_latency_ms REAL NOT NULL, uptime_seconds INTEGER NOT NULL,
          tasks_completed INTEGER NOT NULL, timestamp INTEGER NOT NULL,
          received_at INTEGER NOT NULL, signature TEXT
        );
        CREATE TABLE IF NOT EXISTS proof (
          report INTEGER NOT NULL REFERENCES report(sequence), position INTEGER NOT NULL,
          model_hash TEXT NOT NULL, input_hash TEXT NOT NULL, output_hash TEXT NOT NULL,
          token_count INTEGER NOT NULL, PRIMARY KEY (report, position)
        ) WITHOUT ROWID;
        """)
  }

  static func highestSequence(in database: Database) throws -> Int64 {
    try Int64.fetchOne(database, sql: "SELECT MAX(sequence) FROM report") ?? 0
  }

  static func insert(_ report: StoredReport, sequence: Int64, into database: Database) throws {
    try database.cachedStatement(
      sql: "INSERT INTO report VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ).execute(arguments: [
      sequence, report.dialect.rawValue, report.agent.checksummed,
      Int64(bitPattern: report.epoch), report.processedTokens,
      report.averageLatencyMilliseconds, report.uptimeSeconds, report.tasksCompleted,
      report.timestamp, report.receivedAt, report.signature,
    ])
    for (position, proof) in report.proofs.enumerated() {
      try database.cachedStatement(sql: "INSERT INTO proof VALUES (?, ?, ?, ?, ?, ?, ?)").execute(
        arguments: [
          sequence, position, proof.modelHash, proof.inputHash, proof.outputHash,
          proof.tokenCount, proof.isVerified,
        ])
    }
  }

  /// Writes that a proof was verified.
  static func setVerified(_ report: Int64, _ position: Int, in database: Database) throws {
    try database.cachedStatement(
      sql: "UPDATE proof SET verified = 1 WHERE report = ? AND position = ?"
    ).execute(arguments: [report, position])
  }

  /// The latest reports that the ledger keeps, oldest first.
  static func latest(
    in database: Database, below highest: Int64
  ) throws -> [StoredReport] {
    let maximumReports = Int64(ReportHistory.byteLimit / ReportHistory.weight(ofProofs: 0)) + 1
    let floor = highest.subtractingSaturated(maximumReports)
    let sizes = try Row.fetchCursor(
      database,
      sql: """
        SELECT sequence, (SELECT COUNT(*) FROM proof WHERE proof.report = sequence) AS proofs
        FROM report WHERE sequence > ? ORDER BY sequence DESC
        """, arguments: [floor])
    var (first, weight) = (highest, 0)
    while let row = try sizes.next() {
      weight += ReportHistory.weight(ofProofs: Int(try row.readTotal("proofs")))
      guard weight <= ReportHistory.byteLimit else { break }
      first = try row.read("sequence")
    }
    var reports: [StoredReport] = []
    try forEach(in: database, from: first) { reports.append($1) }
    return reports
  }

  /// Goes through the reports, oldest first, and holds one at a time.
  /// - Parameter first: the first number; nil for every report that there is.
  static func forEach(
    in database: Database, from first: Int64? = nil,
    _ body: (_ sequence: Int64, StoredReport) throws -> Void
  ) throws {
    let arguments: StatementArguments = first.map { [$0] } ?? []
    let proofs = try Row.fetchCursor(
      database,
      sql: """
        SELECT * FROM proof \(first == nil ? "" : "WHERE report >= ?") ORDER BY report, position
        """, arguments: arguments)
    var next = try proofs.next()
    // Agents are few and report often.
    var agents: [String: Address] = [:]
    let reports = try Row.fetchCursor(
      database,
      sql: """
        SELECT * FROM report \(first == nil ? "" : "WHERE sequence >= ?") ORDER BY sequence
        """, arguments: arguments)
    while let row = try reports.next() {
      let sequence: Int64 = try row.read("sequence")
      var own: [StoredProof] = []
      while let proof = next, try proof.read("report", as: Int64.self) <= sequence {
        if try proof.read("report", as: Int64.self) == sequence { own.append(try read(proof)) }
        next = try proofs.next()
      }
      let text: String = try row.read("agent")
      let agent = try agents[text] ?? Address(checksummed: text)
      if agents.count < 10_000 { agents[text] = agent }
      try body(sequence, try report(row, agent, own))
    }
  }

  private static func read(_ row: Row) throws -> StoredProof {
    StoredProof(
      modelHash: try row.read("model_hash"), inputHash: try row.read("input_hash"),
      outputHash: try row.read("output_hash"), tokenCount: try row.readCount("token_count"),
      isVerified: try row.read("verified"))
  }

  private static func report(
    _ row: Row, _ agent: Address, _ proofs: [StoredProof]
  ) throws -> StoredReport {
    let dialect: String = try row.read("dialect")
    guard let dialect = ReportDialect(rawValue: dialect) else {
      throw DatabaseError(message: "table report holds the unknown dialect \"\(dialect)\"")
    }
    return StoredReport(
      dialect: dialect, agent: agent, epoch: try row.readEpoch("epoch"),
      processedTokens: try row.readCount("processed_tokens"),
      averageLatencyMilliseconds: try row.readMeasure("average_latency_ms"),
      uptimeSeconds: try row.readCount("uptime_seconds"),
      tasksCompleted: try row.readCount("tasks_completed"),
      timestamp: try row.read("timestamp"), receivedAt: try row.read("received_at"),
      signature: try row.readIfPresent("signature"), proofs: proofs)
  }
}

/// The table of contributions as they were signed for the reward pool.
enum ContributionTable {
  static func create(in database: Database) throws {
    try database.execute(
      sql: """
        CREATE TABLE IF NOT EXISTS contribution (
          epoch INTEGER NOT NULL, agent TEXT NOT NULL, hash TEXT NOT NULL,
          transaction_bytes BLOB NOT NULL, PRIMARY KEY (epoch, agent)
        ) WITHOUT ROWID;
        """)
  }

  /// Writes a contribution, and that nothing more is accounted to its epoch.
  static func insert(_ contribution: StoredContribution, into database: Database) throws {
    let (epoch, agent) = (Int64(bitPattern: contribution.epoch), contribution.agent.checksummed)
    try database.cachedStatement(sql: "INSERT OR REPLACE INTO contribution VALUES (?, ?, ?, ?)")
      .execute(arguments: [epoch, agent, contribution.hash.hex, Data(contribution.transaction)])
    try TotalTables.close(contribution.epoch, of: contribution.agent, in: database)
  }

  /// Those of epochs that are not settled.
  static func unsettled(in database: Database) throws -> [StoredContribution] {
    try Row.fetchAll(
      database,
      sql: """
        SELECT contribution.* FROM epoch_total JOIN contribution
        ON contribution.epoch = epoch_total.epoch AND contribution.agent = epoch_total.agent
        WHERE epoch_total.settled = 0
        """
    ).map { row in
      StoredContribution(
        epoch: try row.readEpoch("epoch"), agent: try row.readAddress("agent"),
        transaction: Array(try row.read("transaction_bytes", as: Data.self)),
        hash: try Hash32(try row.read("hash", as: String.self)))
    }
  }

  /// The last epoch of each agent that a contribution was signed for.
  static func closed(in database: Database) throws -> [Address: UInt64] {
    var closed: [Address: UInt64] = [:]
    let rows = try Row.fetchCursor(database, sql: "SELECT epoch, agent FROM contribution")
    while let row = try rows.next() {
      let (epoch, agent) = (try row.readEpoch("epoch"), try row.readAddress("agent"))
      closed[agent] = max(epoch, closed[agent] ?? 0)
    }
    return closed
  }
}
