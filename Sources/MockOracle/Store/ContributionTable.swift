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

  /// Keeps a contribution, and that nothing more is accounted to its epoch.
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
