import EthereumPrimitives
import Foundation
import GRDB

/// The table that holds registrations of nodes, each as it came.
enum RegistryTable {
  static func create(in database: Database) throws {
    try database.execute(
      sql: """
        CREATE TABLE IF NOT EXISTS registration (
          position INTEGER PRIMARY KEY, kind TEXT NOT NULL, agent TEXT NOT NULL,
          timestamp REAL NOT NULL, received_at INTEGER NOT NULL, body BLOB NOT NULL
        );
        """)
  }

  static func insert(_ registration: StoredRegistration, into database: Database) throws {
    try database.execute(
      sql: """
        INSERT INTO registration (kind, agent, timestamp, received_at, body)
        VALUES (?, ?, ?, ?, ?)
        """,
      arguments: [
        registration.kind.rawValue, registration.agent.checksummed, registration.timestamp,
        registration.receivedAt, Data(registration.body),
      ])
  }

  static func all(in database: Database) throws -> [StoredRegistration] {
    try Row.fetchAll(database, sql: "SELECT * FROM registration ORDER BY position").map { row in
      let (kind, agent, body): (String, String, Data) = (row["kind"], row["agent"], row["body"])
      guard let kind = StoredRegistration.Kind(rawValue: kind) else {
        throw DatabaseError(message: "table registration holds the unknown kind \"\(kind)\"")
      }
      return StoredRegistration(
        kind: kind, agent: try Address(checksummed: agent), timestamp: row["timestamp"],
        receivedAt: row["received_at"], body: Array(body))
    }
  }
}
