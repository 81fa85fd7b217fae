import EthereumPrimitives
import GRDB
import PlumiseWire

/// The tables that hold reports and their proofs.
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
    try database.execute(
      sql: "INSERT INTO report VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      arguments: [
        sequence, report.dialect.rawValue, report.agent.checksummed,
        Int64(bitPattern: report.epoch), report.processedTokens,
        report.averageLatencyMilliseconds, report.uptimeSeconds, report.tasksCompleted,
        report.timestamp, report.receivedAt, report.signature,
      ])
    for (position, proof) in report.proofs.enumerated() {
      try database.execute(
        sql: "INSERT INTO proof VALUES (?, ?, ?, ?, ?, ?)",
        arguments: [
          sequence, position, proof.modelHash, proof.inputHash, proof.outputHash,
          proof.tokenCount,
        ])
    }
  }

  static func all(in database: Database) throws -> [StoredReport] {
    var proofs: [Int64: [StoredProof]] = [:]
    for row in try Row.fetchAll(database, sql: "SELECT * FROM proof ORDER BY report, position") {
      proofs[row["report"], default: []].append(
        StoredProof(
          modelHash: row["model_hash"], inputHash: row["input_hash"],
          outputHash: row["output_hash"], tokenCount: row["token_count"]))
    }
    return try Row.fetchAll(database, sql: "SELECT * FROM report ORDER BY sequence").map { row in
      let dialect: String = row["dialect"]
      guard let dialect = ReportDialect(rawValue: dialect) else {
        throw DatabaseError(message: "table report holds the unknown dialect \"\(dialect)\"")
      }
      let (agent, epoch): (String, Int64) = (row["agent"], row["epoch"])
      return StoredReport(
        dialect: dialect, agent: try Address(checksummed: agent), epoch: UInt64(bitPattern: epoch),
        processedTokens: row["processed_tokens"],
        averageLatencyMilliseconds: row["average_latency_ms"],
        uptimeSeconds: row["uptime_seconds"], tasksCompleted: row["tasks_completed"],
        timestamp: row["timestamp"], receivedAt: row["received_at"], signature: row["signature"],
        proofs: proofs[row["sequence"]] ?? [])
    }
  }
}
