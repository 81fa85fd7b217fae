import EthereumPrimitives
import Foundation
import GRDB
import MockOracle
import PlumiseWire

/// A store as the version before the totals wrote it: its tables, and nothing that tells whose file it
/// is.
enum EarlierStore {
  static let schema = """
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
    CREATE TABLE IF NOT EXISTS registration (
      position INTEGER PRIMARY KEY, kind TEXT NOT NULL, agent TEXT NOT NULL,
      timestamp REAL NOT NULL, received_at INTEGER NOT NULL, body BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS contribution (
      epoch INTEGER NOT NULL, agent TEXT NOT NULL, hash TEXT NOT NULL,
      transaction_bytes BLOB NOT NULL, PRIMARY KEY (epoch, agent)
    ) WITHOUT ROWID;
    """

  /// Takes what a store of today has beside those tables away.
  static func strip(_ path: String) throws {
    try edit(path) { database in
      for table in [
        "agent_total", "epoch_total", "accounted", "registration_guard", "node", "pipeline_node",
      ] {
        try database.execute(sql: "DROP TABLE \(table)")
      }
      try database.execute(sql: "PRAGMA application_id = 0; PRAGMA user_version = 0")
    }
    let queue = try DatabaseQueue(path: path)
    try queue.vacuum()
    try queue.close()
  }

  /// Makes an SQLite file, or changes it, in the mode that the oracle uses.
  static func edit(_ path: String, _ change: (Database) throws -> Void) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.write(change)
    try queue.close()
  }

  /// Makes a store of many reports by a few agents, by SQL alone.
  static func make(_ path: String, reports: Int, agents: [Address]) throws {
    try edit(path) { database in
      try database.execute(sql: schema)
      for (index, agent) in agents.enumerated() {
        try database.execute(
          sql: """
            WITH RECURSIVE number(n) AS (
              SELECT ? UNION ALL SELECT n + ? FROM number WHERE n + ? <= ?
            )
            INSERT INTO report SELECT n, 'documented', ?, n / 1000, n, 12.5, n, n, n, n, '0x' FROM number
            """,
          arguments: [index + 1, agents.count, agents.count, reports, agent.checksummed])
      }
    }
  }
}
