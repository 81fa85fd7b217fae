import EthereumPrimitives
import Foundation
import GRDB

/// The table that holds contributions as they were signed for the reward pool.
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

  static func insert(_ contribution: StoredContribution, into database: Database) throws {
    try database.execute(
      sql: "INSERT OR REPLACE INTO contribution VALUES (?, ?, ?, ?)",
      arguments: [
        Int64(bitPattern: contribution.epoch), contribution.agent.checksummed,
        contribution.hash.hex, Data(contribution.transaction),
      ])
  }

  static func all(in database: Database) throws -> [StoredContribution] {
    try Row.fetchAll(database, sql: "SELECT * FROM contribution").map { row in
      let (epoch, agent): (Int64, String) = (row["epoch"], row["agent"])
      let (hash, bytes): (String, Data) = (row["hash"], row["transaction_bytes"])
      return StoredContribution(
        epoch: UInt64(bitPattern: epoch), agent: try Address(checksummed: agent),
        transaction: Array(bytes), hash: try Hash32(hash))
    }
  }
}
