import EthereumPrimitives
import Foundation
import GRDB
import PlumiseWire
import TextKeys

/// The tables of registrations as they came, and of their effects: nodes, pipelines and last
/// timestamps.
enum RegistryTable {
  static func create(in database: Database) throws {
    try database.execute(
      sql: """
        CREATE TABLE IF NOT EXISTS registration (
          position INTEGER PRIMARY KEY, kind TEXT NOT NULL, agent TEXT NOT NULL,
          timestamp REAL NOT NULL, received_at INTEGER NOT NULL, body BLOB NOT NULL
        );
        CREATE TABLE IF NOT EXISTS registration_guard (
          kind TEXT NOT NULL, agent TEXT NOT NULL, timestamp REAL NOT NULL,
          PRIMARY KEY (kind, agent)
        ) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS node (
          agent TEXT PRIMARY KEY, endpoint TEXT NOT NULL, capabilities TEXT NOT NULL,
          created_at INTEGER NOT NULL, last_heartbeat INTEGER NOT NULL,
          last_metric_report INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS pipeline_node (
          model TEXT NOT NULL, agent TEXT NOT NULL, place INTEGER NOT NULL,
          grpc_endpoint TEXT NOT NULL, http_endpoint TEXT NOT NULL, weight REAL NOT NULL,
          layer_start INTEGER NOT NULL, layer_end INTEGER NOT NULL, total_layers INTEGER NOT NULL,
          is_ready INTEGER NOT NULL, seen_at INTEGER NOT NULL, PRIMARY KEY (model, agent)
        ) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS pipeline_node_by_agent ON pipeline_node(agent);
        """)
  }

  static func clear(in database: Database) throws {
    for table in ["registration_guard", "node", "pipeline_node"] {
      try database.execute(sql: "DELETE FROM \(table)")
    }
  }

  /// Writes a registration as it came.
  static func insert(_ registration: StoredRegistration, into database: Database) throws {
    try database.cachedStatement(
      sql: """
        INSERT INTO registration (kind, agent, timestamp, received_at, body)
        VALUES (?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      registration.kind.rawValue, registration.agent.checksummed, registration.timestamp,
      registration.receivedAt, Data(registration.body),
    ])
  }

  /// Writes a registration and what it changes.
  static func insert(
    _ registration: Registration, at time: Int64, _ change: PipelineTable.Change?,
    into database: Database
  ) throws {
    let agent = registration.agent.checksummed
    try insert(registration.stored(at: time), into: database)
    try TotalTables.setAccounted(registration: database.lastInsertedRowID, in: database)
    try insert(lastTimestampOf: registration.kind, agent, registration.timestamp, into: database)
    switch registration.kind {
    case .node:
      let node = NodeTable.registered(registration, at: time)
      try database.cachedStatement(
        sql: """
          INSERT INTO node VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (agent) DO UPDATE SET
          endpoint = excluded.endpoint, capabilities = excluded.capabilities,
          last_heartbeat = excluded.last_heartbeat,
          last_metric_report = excluded.last_metric_report,
          benchmark = IFNULL(excluded.benchmark, benchmark)
          """
      ).execute(arguments: arguments(node))
    case .pipelineNode:
      try recordHeartbeat(of: registration.agent, at: time, reported: false, in: database)
      if let change { try write(change, into: database) }
    case .pipelineReady:
      try database.cachedStatement(
        sql: "UPDATE pipeline_node SET is_ready = 1, seen_at = ? WHERE model = ? AND agent = ?"
      ).execute(arguments: [time, registration.text("model"), agent])
    }
  }

  /// Writes that an agent of the deployed dialect was seen.
  static func recordHeartbeat(
    of agent: Address, at time: Int64, reported: Bool, in database: Database
  ) throws {
    let node = NodeTable.seen(agent, at: time)
    try database.cachedStatement(
      sql: """
        INSERT INTO node VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (agent) DO UPDATE SET
        last_heartbeat = excluded.last_heartbeat
        \(reported ? ", last_metric_report = excluded.last_metric_report" : "")
        """
    ).execute(arguments: arguments(node))
    guard reported else { return }
    try database.cachedStatement(
      sql: "UPDATE pipeline_node SET seen_at = ? WHERE agent = ? AND seen_at > ?"
    ).execute(arguments: [time, agent.checksummed, time - NodeTable.activePeriod])
  }

  /// Writes everything, in place of what was there.
  static func write(_ tables: OracleRegistry.Tables, into database: Database) throws {
    try clear(in: database)
    for node in tables.nodes.nodes.values {
      try database.execute(
        sql: "INSERT INTO node VALUES (?, ?, ?, ?, ?, ?, ?)", arguments: arguments(node))
    }
    for (model, entries) in tables.pipeline.models {
      try write(entries, of: model, into: database)
    }
    for (kind, agents) in tables.lastTimestamps {
      for (agent, timestamp) in agents {
        try insert(lastTimestampOf: kind, agent.checksummed, timestamp, into: database)
      }
    }
  }

  static func read(in database: Database) throws -> RegistrySnapshot {
    var snapshot = RegistrySnapshot()
    snapshot.nodes = try Row.fetchAll(
      database, sql: "SELECT * FROM node ORDER BY last_heartbeat DESC LIMIT ?",
      arguments: [NodeTable.capacity]
    ).map(node)
    for row in try Row.fetchAll(database, sql: "SELECT * FROM pipeline_node ORDER BY model, place")
    {
      snapshot.pipelines[try row.read("model"), default: []].append(try entry(row))
    }
    for row in try Row.fetchAll(database, sql: "SELECT * FROM registration_guard") {
      let kind: String = try row.read("kind")
      guard let kind = StoredRegistration.Kind(rawValue: kind) else { throw unknown(kind) }
      snapshot.lastTimestamps[kind, default: [:]][try row.readAddress("agent")] =
        try row.read("timestamp")
    }
    return snapshot
  }

  /// Every registration, as it came.
  static func all(in database: Database) throws -> [StoredRegistration] {
    try Row.fetchAll(database, sql: "SELECT * FROM registration ORDER BY position").map { row in
      let kind: String = try row.read("kind")
      guard let kind = StoredRegistration.Kind(rawValue: kind) else { throw unknown(kind) }
      return StoredRegistration(
        kind: kind, agent: try row.readAddress("agent"), timestamp: try row.read("timestamp"),
        receivedAt: try row.read("received_at"), body: Array(try row.read("body", as: Data.self)))
    }
  }

  private static func unknown(_ kind: String) -> DatabaseError {
    DatabaseError(message: "a registration is of the unknown kind \"\(kind)\"")
  }

  private static func insert(
    lastTimestampOf kind: StoredRegistration.Kind, _ agent: String, _ timestamp: Double,
    into database: Database
  ) throws {
    try database.cachedStatement(sql: "INSERT OR REPLACE INTO registration_guard VALUES (?, ?, ?)")
      .execute(arguments: [kind.rawValue, agent, timestamp])
  }

  private static func write(_ change: PipelineTable.Change, into database: Database) throws {
    for model in change.forgotten + [change.model] {
      try database.execute(sql: "DELETE FROM pipeline_node WHERE model = ?", arguments: [model])
    }
    try write(change.entries, of: change.model, into: database)
  }

  private static func write(
    _ entries: [PipelineTable.Entry], of model: String, into database: Database
  ) throws {
    for (place, entry) in entries.enumerated() {
      try database.cachedStatement(
        sql: "INSERT INTO pipeline_node VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
      ).execute(arguments: [
        model, entry.address.checksummed, place, entry.grpcEndpoint, entry.httpEndpoint,
        entry.weight, entry.assignment.layerStart, entry.assignment.layerEnd,
        entry.assignment.totalLayers, entry.isReady, entry.seenAt, entry.ram, entry.device,
        entry.vram, entry.benchmark, entry.createdAt,
      ])
    }
  }

  private static func entry(_ row: Row) throws -> PipelineTable.Entry {
    let weight: Double = try row.read("weight")
    guard weight > 0, weight.isFinite else {
      throw DatabaseError(message: "a node of a pipeline weighs \(weight)")
    }
    return PipelineTable.Entry(
      address: try row.readAddress("agent"), grpcEndpoint: try row.read("grpc_endpoint"),
      httpEndpoint: try row.read("http_endpoint"), ram: try row.readMeasure("ram_mb"),
      device: try row.read("device"), vram: try row.readMeasure("vram_mb"),
      benchmark: try row.readMeasure("benchmark"), createdAt: try row.read("created_at"),
      weight: weight,
      assignment: LayerAssignment(
        layerStart: try row.read("layer_start"), layerEnd: try row.read("layer_end"),
        totalLayers: try row.read("total_layers")),
      order: try row.read("place"), isReady: try row.read("is_ready"),
      seenAt: try row.read("seen_at"))
  }

  private static func arguments(_ node: RegisteredNode) -> StatementArguments {
    [
      node.address.checksummed, node.endpoint,
      JSON.array(node.capabilities.map { .string($0) }).text, node.createdAt, node.lastHeartbeat,
      node.lastMetricReport, node.benchmarkTokensPerSecond,
    ]
  }

  private static func node(_ row: Row) throws -> RegisteredNode {
    let text: String = try row.read("capabilities")
    return RegisteredNode(
      address: try row.readAddress("agent"), endpoint: try row.read("endpoint"),
      capabilities: try JSON.parse(text).arrayValue?.compactMap(\.stringValue) ?? [],
      createdAt: try row.read("created_at"), lastHeartbeat: try row.read("last_heartbeat"),
      lastMetricReport: try row.read("last_metric_report"),
      benchmarkTokensPerSecond: try row.readIfPresent("benchmark"))
  }
}

extension JSON {
  fileprivate var text: String { String(decoding: serialized(), as: UTF8.self) }
}
