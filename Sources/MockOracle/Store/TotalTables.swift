import EthereumPrimitives
import GRDB

/// The tables of totals: of each agent, and of each agent in each epoch.
///
/// They are written in the transaction of the report, so that a start reads them and no report
/// beside the latest.
enum TotalTables {
  static func create(in database: Database) throws {
    try database.execute(
      sql: """
        CREATE TABLE IF NOT EXISTS agent_total (
          agent TEXT PRIMARY KEY, processed_tokens INTEGER NOT NULL,
          average_latency_ms REAL NOT NULL, uptime_seconds INTEGER NOT NULL,
          tasks_completed INTEGER NOT NULL, last_timestamp INTEGER NOT NULL,
          report_count INTEGER NOT NULL, proof_count INTEGER NOT NULL, proof_tokens TEXT NOT NULL,
          latest_epoch INTEGER NOT NULL, closed_epoch INTEGER
        ) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS epoch_total (
          agent TEXT NOT NULL, epoch INTEGER NOT NULL, processed_tokens INTEGER NOT NULL,
          average_latency_ms REAL NOT NULL, request_count INTEGER NOT NULL,
          uptime_seconds INTEGER NOT NULL, last_updated INTEGER NOT NULL,
          proof_count INTEGER NOT NULL, proof_tokens TEXT NOT NULL,
          reported_tokens INTEGER NOT NULL, reported_requests INTEGER NOT NULL,
          first_report INTEGER NOT NULL, settled INTEGER NOT NULL, PRIMARY KEY (agent, epoch)
        ) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS epoch_total_by_age ON epoch_total(first_report);
        CREATE INDEX IF NOT EXISTS epoch_total_unsettled ON epoch_total(agent, epoch)
          WHERE settled = 0;
        CREATE TABLE IF NOT EXISTS accounted (
          one INTEGER PRIMARY KEY CHECK (one = 1), report INTEGER NOT NULL,
          registration INTEGER NOT NULL
        );
        """)
  }

  /// Writes the totals that a report changes.
  static func write(_ effect: Ledger.Effect, sequence: Int64, into database: Database) throws {
    let (agent, epoch) = (effect.agent, effect.epoch)
    try write(
      LedgerSnapshot.Agent(record: agent, latestEpoch: epoch.epoch, closedEpoch: nil),
      into: database)
    try write(epoch, firstReport: sequence, into: database)
    // Reports of different agents may be written in another order than they were numbered in.
    try database.cachedStatement(sql: "UPDATE accounted SET report = MAX(report, ?)").execute(
      arguments: [sequence])
  }

  static func write(_ agent: LedgerSnapshot.Agent, into database: Database) throws {
    let record = agent.record
    try database.cachedStatement(
      sql: """
        INSERT INTO agent_total VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (agent) DO UPDATE SET processed_tokens = excluded.processed_tokens,
        average_latency_ms = excluded.average_latency_ms, uptime_seconds = excluded.uptime_seconds,
        tasks_completed = excluded.tasks_completed, last_timestamp = excluded.last_timestamp,
        report_count = excluded.report_count, proof_count = excluded.proof_count,
        proof_tokens = excluded.proof_tokens, latest_epoch = excluded.latest_epoch,
        verified_count = excluded.verified_count, verified_tokens = excluded.verified_tokens
        """
    ).execute(arguments: [
      record.address.checksummed, record.processedTokens, record.averageLatencyMilliseconds,
      record.uptimeSeconds, record.tasksCompleted, record.lastTimestamp, record.reportCount,
      record.proofs.count, String(record.proofs.tokens), Int64(bitPattern: agent.latestEpoch),
      agent.closedEpoch.map { Int64(bitPattern: $0) }, record.proofs.verifiedCount,
      String(record.proofs.verifiedTokens),
    ])
  }

  static func write(
    _ epoch: EpochRecord, firstReport: Int64, into database: Database
  ) throws {
    try database.cachedStatement(
      sql: """
        INSERT INTO epoch_total VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)
        ON CONFLICT (agent, epoch) DO UPDATE SET processed_tokens = excluded.processed_tokens,
        average_latency_ms = excluded.average_latency_ms, request_count = excluded.request_count,
        uptime_seconds = excluded.uptime_seconds, last_updated = excluded.last_updated,
        proof_count = excluded.proof_count, proof_tokens = excluded.proof_tokens,
        reported_tokens = excluded.reported_tokens, reported_requests = excluded.reported_requests,
        verified_count = excluded.verified_count, verified_tokens = excluded.verified_tokens
        """
    ).execute(arguments: [
      epoch.address.checksummed, Int64(bitPattern: epoch.epoch), epoch.processedTokens,
      epoch.averageLatencyMilliseconds, epoch.requestCount, epoch.uptimeSeconds,
      epoch.lastUpdated, epoch.proofs.count, String(epoch.proofs.tokens),
      epoch.lastReportedTokens, epoch.lastReportedRequests, firstReport,
      epoch.proofs.verifiedCount, String(epoch.proofs.verifiedTokens),
    ])
  }

  /// Writes up to where registrations are accounted.
  static func setAccounted(registration position: Int64, in database: Database) throws {
    try database.cachedStatement(sql: "UPDATE accounted SET registration = ?").execute(
      arguments: [position])
  }

  /// Writes that nothing more is accounted to an epoch.
  static func close(_ epoch: UInt64, of agent: Address, in database: Database) throws {
    let (epoch, agent) = (Int64(bitPattern: epoch), agent.checksummed)
    // Epochs of more than 63 bits are below all others here, and no chain has them.
    try database.cachedStatement(
      sql: """
        UPDATE agent_total SET closed_epoch = MAX(?, IFNULL(closed_epoch, 0)) WHERE agent = ?
        """
    ).execute(arguments: [epoch, agent])
  }

  static func settle(_ epoch: UInt64, of agent: Address, in database: Database) throws {
    try database.cachedStatement(
      sql: "UPDATE epoch_total SET settled = 1 WHERE agent = ? AND epoch = ?"
    ).execute(arguments: [agent.checksummed, Int64(bitPattern: epoch)])
  }

  /// The epochs whose contribution is settled.
  static func settled(in database: Database) throws -> [(agent: Address, epoch: UInt64)] {
    try Row.fetchAll(database, sql: "SELECT agent, epoch FROM epoch_total WHERE settled = 1").map {
      (try $0.readAddress("agent"), try $0.readEpoch("epoch"))
    }
  }

  /// Up to where reports and registrations are accounted; nil where nothing is.
  static func accounted(
    in database: Database
  ) throws -> (report: Int64, registration: Int64)? {
    guard let row = try Row.fetchOne(database, sql: "SELECT * FROM accounted") else { return nil }
    return (try row.read("report"), try row.read("registration"))
  }

  /// Writes up to where everything is accounted.
  static func setAccounted(report: Int64, registration: Int64, in database: Database) throws {
    try database.execute(
      sql: "INSERT OR REPLACE INTO accounted VALUES (1, ?, ?)", arguments: [report, registration])
  }

  static func clear(in database: Database) throws {
    for table in ["agent_total", "epoch_total", "accounted"] {
      try database.execute(sql: "DELETE FROM \(table)")
    }
  }

  /// Every agent, and the epochs that the ledger keeps, oldest first.
  static func read(
    in database: Database
  ) throws -> (agents: [LedgerSnapshot.Agent], epochs: [LedgerSnapshot.Epoch]) {
    let agents = try Row.fetchAll(database, sql: "SELECT * FROM agent_total").map(agent)
    // The latest of all agents, and of each its own latest.
    let rows = try Row.fetchAll(
      database,
      sql: """
        SELECT * FROM (SELECT * FROM epoch_total ORDER BY first_report DESC LIMIT ?)
        UNION
        SELECT epoch_total.* FROM agent_total JOIN epoch_total
        ON epoch_total.agent = agent_total.agent AND epoch_total.epoch = agent_total.latest_epoch
        ORDER BY first_report
        """, arguments: [EpochLedger.limit])
    let epochs = try rows.map {
      LedgerSnapshot.Epoch(record: try epoch($0), isSettled: try $0.read("settled"))
    }
    return (agents, epochs)
  }

  /// The epochs whose contribution is not settled, oldest first.
  static func unsettled(in database: Database) throws -> [EpochRecord] {
    try Row.fetchAll(
      database, sql: "SELECT * FROM epoch_total WHERE settled = 0 ORDER BY first_report"
    ).map(epoch)
  }

  private static func agent(_ row: Row) throws -> LedgerSnapshot.Agent {
    var record = AgentRecord(address: try row.readAddress("agent"))
    record.processedTokens = try row.readCount("processed_tokens")
    record.averageLatencyMilliseconds = try row.readMeasure("average_latency_ms")
    record.uptimeSeconds = try row.readCount("uptime_seconds")
    record.tasksCompleted = try row.readCount("tasks_completed")
    record.lastTimestamp = try row.read("last_timestamp")
    record.reportCount = Int(try row.readTotal("report_count"))
    record.proofs = try row.readTally()
    let closed: Int64? = try row.readIfPresent("closed_epoch")
    return LedgerSnapshot.Agent(
      record: record, latestEpoch: try row.readEpoch("latest_epoch"),
      closedEpoch: closed.map { UInt64(bitPattern: $0) })
  }

  private static func epoch(_ row: Row) throws -> EpochRecord {
    EpochRecord(
      address: try row.readAddress("agent"), epoch: try row.readEpoch("epoch"),
      processedTokens: try row.readCount("processed_tokens"),
      averageLatencyMilliseconds: try row.readMeasure("average_latency_ms"),
      requestCount: try row.readCount("request_count"),
      uptimeSeconds: try row.readCount("uptime_seconds"),
      lastUpdated: try row.read("last_updated"), proofs: try row.readTally(),
      lastReportedTokens: try row.readCount("reported_tokens"),
      lastReportedRequests: try row.readCount("reported_requests"))
  }
}
