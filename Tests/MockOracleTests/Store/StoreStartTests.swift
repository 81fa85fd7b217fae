import EthereumClient
import EthereumPrimitives
import Foundation
import GRDB
import MockOracle
import PlumiseWire
import Synchronization
import SystemErrors
import TestSupport
import Testing

@Suite("Store starts", .timeLimit(.minutes(5))) struct StoreStartTests {
  private let start: Int64 = 1_770_200_000

  /// The statements that opening a file runs.
  private func statements(opening path: String) throws -> [String] {
    let statements = Mutex<[String]>([])
    _ = try SQLiteReportLog(path: path, lockTimeout: .seconds(60)) { statement in
      statements.withLock { $0.append(statement) }
    }
    return statements.withLock { $0 }
  }

  @Test("No statement of a start goes through the reports, the proofs or the registrations")
  func noScan() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "o.sqlite").path
      try EarlierStore.make(path, reports: 1000, agents: [try testKey().address])
      // What is taken from now on is accounted with it.
      do {
        let log = try SQLiteReportLog(path: path)
        let oracle = MockOracle.deployed(log: log, at: TestTime(start))
        let key = try testKey(2)
        #expect(
          await oracle.post(nodeRegistration(by: key), to: NodeRegistration.path).status == 201)
        let report = try deployedReport(by: key)
        #expect(await oracle.post(report, to: ReportDialect.deployed.path).status == 201)
      }
      let statements = try statements(opening: path).filter {
        $0.hasPrefix("SELECT") || $0.hasPrefix("WITH")
      }
      #expect(statements.count >= 7)
      try EarlierStore.edit(path) { database in
        for statement in statements {
          // What is bound makes no difference to the plan.
          let bound = StatementArguments(statement.filter { $0 == "?" }.map { _ in 0 })
          for row in try Row.fetchAll(
            database, sql: "EXPLAIN QUERY PLAN \(statement)", arguments: bound)
          {
            let step: String = row["detail"]
            let scans = ["report", "proof", "registration"].contains { table in
              step == "SCAN \(table)" || step.hasPrefix("SCAN \(table) ")
            }
            #expect(!scans, "\(statement): \(step)")
          }
        }
      }
    }
  }

  @Test("A start holds the latest reports of many, and every total")
  func bounded() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "o.sqlite").path
      let agents = try (1...3).map { try testKey($0).address }
      try EarlierStore.make(path, reports: 60_000, agents: agents)
      for _ in 0..<2 {
        let log = try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
        let oracle = MockOracle(OracleConfiguration(log: log))
        #expect(oracle.agents.map(\.reportCount) == [20_000, 20_000, 20_000])
        #expect(Set(oracle.agents.map(\.processedTokens)) == [59_998, 59_999, 60_000])
        let kept = oracle.reports(of: agents[0])
        #expect(kept.count == 1000 && kept.last?.timestamp == 59_998)
        // Of every epoch the difference to the one before.
        #expect(oracle.epoch(30, of: agents[0])?.processedTokens == 999)
      }
      #expect(try SQLiteReportLog(path: path, lockTimeout: .seconds(60)).recovered.count < 21_000)
    }
  }

  /// Everything that an oracle shows of what it holds.
  private func shown(_ oracle: MockOracle, _ keys: [SecretKey]) async throws -> [JSON] {
    var paths = ["/api/v1/agents", "/api/nodes", "/api/agents", "/api/v1/metrics/summary?epoch=4"]
    paths.append("/api/v1/pipeline/topology?model=\(PlumiseNetwork.model)")
    for key in keys {
      let address = key.address.checksummed
      paths += ["", "/reports", "/proofs"].map { "/api/v1/agents/\(address)\($0)" }
      paths += ["", "/history"].map { "/api/v1/metrics/agents/\(address)\($0)" }
      paths += ["", "/stats", "/stats?epoch=4"].map { "/api/v1/proofs/\(address)\($0)" }
      paths += ["/api/nodes/\(address)", "/api/agents/\(address)"]
    }
    var answers: [JSON] = []
    for path in paths {
      let answer = await oracle.get(path)
      answers.append([.string(path), .integer(answer.status), answer.body ?? .null])
    }
    return answers
  }

  @Test(
    "What an oracle shows is the same after a restart and after the file of the version before",
    arguments: OracleProfile.allCases)
  func same(profile: OracleProfile) async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "o.sqlite").path
      let keys = try (1...4).map { try testKey($0) }
      let (time, epoch) = (TestTime(start), TestTime(3))
      func oracle() throws -> MockOracle {
        MockOracle(
          OracleConfiguration(
            dialects: [.documented, .deployed], profile: profile,
            epoch: EpochSource { UInt64(epoch.seconds) },
            log: try SQLiteReportLog(path: path, profile: profile, lockTimeout: .seconds(60)),
            unixClock: time.clock))
      }
      var before: [JSON] = []
      do {
        let oracle = try oracle()
        for (index, key) in keys.enumerated() {
          let body = pipelineRegistration(by: key, ram: 1000 * Int64(index + 1))
          #expect(await oracle.post(body, to: PipelineRegistration.path).status == 201)
        }
        #expect(
          await oracle.post(nodeRegistration(by: keys[0]), to: NodeRegistration.path).status == 201)
        for round in 1...6 as ClosedRange<Int64> {
          time.seconds = start + 400 * round
          epoch.seconds = 3 + round / 3
          // The last one is silent for long enough to lose its layers.
          for key in keys.dropLast((2...4).contains(round) ? 1 : 0) {
            let proof = InferenceProof(
              model: "m", input: "\(round)", output: "o", agent: key.address, tokenCount: round)
            let deployed = try deployedReport(
              by: key, tokens: 40 * round, requests: 3 * round, latency: Double(10 * round),
              timestamp: time.seconds)
            #expect(await oracle.post(deployed, to: ReportDialect.deployed.path).status == 201)
            let report = try signedReport(by: key, tokens: 50 * round, timestamp: time.seconds + 1)
            {
              $0["proofs"] = [proof.json]
            }
            #expect(await oracle.post(report).status == 200)
          }
          // Shares the layers anew, among those that were heard of.
          let renewed = pipelineRegistration(
            by: keys[1], ram: 1000 * round, timestamp: time.seconds)
          #expect(await oracle.post(renewed, to: PipelineRegistration.path).status == 201)
        }
        #expect(
          await oracle.post(
            pipelineReady(by: keys[1], timestamp: time.seconds), to: PipelineReady.path
          ).status == 201)
        before = try await shown(oracle, keys)
      }
      for isEarlier in [false, true, false] {
        if isEarlier {
          _ = try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
          try EarlierStore.strip(path)
        }
        let oracle = try oracle()
        #expect(try await shown(oracle, keys) == before)
        // Guards and last counters too.
        let old = try signedReport(by: keys[0], tokens: 300, timestamp: time.seconds + 1)
        #expect(await oracle.post(old).status == 409)
        let again = pipelineReady(by: keys[1], timestamp: time.seconds)
        // Those of registrations are what a start of the deployed oracle forgets.
        #expect(
          await oracle.post(again, to: PipelineReady.path).status
            == (profile == .faithful ? 201 : 400))
      }
      let oracle = try oracle()
      let next = try deployedReport(
        by: keys[0], tokens: 250, requests: 20, timestamp: time.seconds + 2)
      #expect(await oracle.post(next, to: ReportDialect.deployed.path).status == 201)
      #expect(oracle.epoch(5, of: keys[0].address)?.processedTokens != nil)
    }
  }

  @Test("A file that is added up anew keeps what is settled")
  func settledStays() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "o.sqlite").path
      do {
        let oracle = MockOracle(OracleConfiguration(log: try SQLiteReportLog(path: path)))
        for timestamp in 10...11 as ClosedRange<Int64> {
          let report = try signedReport(by: testKey(), tokens: timestamp, timestamp: timestamp)
          #expect(await oracle.post(report).status == 200)
        }
      }
      _ = try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
      try EarlierStore.edit(path) {
        try $0.execute(sql: "UPDATE epoch_total SET settled = 1; UPDATE accounted SET report = 1")
      }
      _ = try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
      try EarlierStore.edit(path) { database in
        let settled = try Int.fetchOne(database, sql: "SELECT MIN(settled) FROM epoch_total")
        let accounted = try Int.fetchOne(database, sql: "SELECT report FROM accounted")
        #expect(settled == 1 && accounted == 2)
      }
    }
  }

  @Test(
    "A kept measure that is not finite is refused at the start, before anybody asks for it",
    arguments: ["agent_total", "epoch_total", "report"])
  func measures(table: String) async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "o.sqlite").path
      do {
        let oracle = MockOracle(OracleConfiguration(log: try SQLiteReportLog(path: path)))
        #expect(await oracle.post(try signedReport(by: testKey(), timestamp: 10)).status == 200)
      }
      _ = try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
      try EarlierStore.edit(path) {
        try $0.execute(sql: "UPDATE \(table) SET average_latency_ms = 9e999")
      }
      let error = #expect(throws: FileError.self) {
        try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
      }
      #expect(error?.code == .damaged)
      #expect(error?.reason == "it is damaged: column average_latency_ms holds inf")
    }
  }

  @Test(
    "Reports that an earlier version wrote into a file of today are accounted at the next start")
  func mixed() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "o.sqlite").path
      let key = try testKey()
      do {
        let oracle = MockOracle(OracleConfiguration(log: try SQLiteReportLog(path: path)))
        #expect(
          await oracle.post(try signedReport(by: key, tokens: 5, timestamp: 10)).status == 200)
      }
      _ = try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
      try EarlierStore.edit(path) {
        try $0.execute(
          sql:
            "INSERT INTO report SELECT 2, dialect, agent, 0, 9, 1, 1, 1, 11, 11, NULL FROM report")
      }
      let log = try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
      let oracle = MockOracle(OracleConfiguration(log: log))
      #expect(oracle.agent(key.address)?.processedTokens == 9)
      #expect(oracle.agent(key.address)?.reportCount == 2)
      #expect(await oracle.post(try signedReport(by: key, timestamp: 11)).status == 409)
    }
  }
}

@Suite("Recovered state", .timeLimit(.minutes(5))) struct RecoveredStateTests {
  private struct Away: Error {}

  @Test("A node that reported before a restart is as active after it as it was")
  func seenNodes() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "oracle.sqlite").path
      let start: Int64 = 1_770_200_000
      let time = TestTime(start)
      let (reporting, silent) = (try testKey(1), try testKey(2))
      func show(_ oracle: MockOracle) -> RegisteredNode? {
        #expect(oracle.activeNodes.map(\.address) == [reporting.address])
        #expect(
          oracle.topology(of: PlumiseNetwork.model).map(\.nodeAddress)
            == [reporting.address.lowercaseHex])
        return oracle.node(reporting.address)
      }
      let before = try await {
        let first = MockOracle.deployed(log: try SQLiteReportLog(path: path), at: time)
        for key in [reporting, silent] {
          let body = pipelineRegistration(by: key)
          #expect(await first.post(body, to: PipelineRegistration.path).status == 201)
        }
        time.seconds = start + 500
        let report = try deployedReport(by: reporting, timestamp: time.seconds)
        #expect(await first.post(report, to: ReportDialect.deployed.path).status == 201)
        time.seconds = start + 700
        return show(first)
      }()
      let second = MockOracle.deployed(log: try SQLiteReportLog(path: path), at: time)
      #expect(show(second) == before && before != nil)
    }
  }

  @Test("While the chain is away after a restart, reports count for the last epoch that was known")
  func knownEpoch() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "oracle.sqlite").path
      let key = try testKey()
      for life in 0..<2 {
        let oracle = MockOracle(
          OracleConfiguration(
            epoch: EpochSource { if life == 0 { 5 } else { throw Away() } },
            log: try SQLiteReportLog(path: path)))
        let report = try signedReport(
          by: key, tokens: 100 + Int64(life), timestamp: 10 + Int64(life))
        #expect(await oracle.post(report).status == 200)
        #expect(oracle.epoch(5, of: key.address)?.processedTokens == 100 + Int64(life))
        #expect(oracle.epoch(0, of: key.address) == nil)
      }
    }
  }
}

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
