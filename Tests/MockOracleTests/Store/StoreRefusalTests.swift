import Foundation
import GRDB
import MockOracle
import SystemErrors
import TestSupport
import Testing

@Suite("Store refusals", .timeLimit(.minutes(5))) struct StoreRefusalTests {
  /// Opens a file that must be refused, and looks that nothing was written.
  private func refusal(
    of path: String, in folder: URL, lockTimeout: Duration = .zero
  ) throws -> FileError {
    func contents() throws -> [String: Data] {
      var held: [String: Data] = [:]
      for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
        // The bytes of a folder are none.
        held[name] = (try? Data(contentsOf: folder.appending(path: name))) ?? Data()
      }
      return held
    }
    let before = try contents()
    let error = #expect(throws: FileError.self) {
      try SQLiteReportLog(path: path, lockTimeout: lockTimeout)
    }
    #expect(try contents() == before)
    #expect(error?.path == path && error?.description.contains(path) == true)
    return try #require(error)
  }

  private func withFile(_ body: (String, URL) async throws -> Void) async throws {
    try await withTemporaryFolder { try await body($0.appending(path: "o.sqlite").path, $0) }
  }

  @Test("A second store on a file that has one is refused, and the file is free when that one goes")
  func second() async throws {
    try await withFile { path, folder in
      do {
        let first = MockOracle(OracleConfiguration(log: try SQLiteReportLog(path: path)))
        #expect(await first.post(try signedReport(by: testKey())).status == 200)
        let link = folder.appending(path: "link").path
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        for name in [path, link] {
          let error = #expect(throws: FileError.self) {
            try SQLiteReportLog(path: name, lockTimeout: .milliseconds(30))
          }
          #expect(
            error?.code == .inUse && error?.reason == "it is in use by this process", "\(name)")
        }
        let later = try signedReport(by: testKey(), timestamp: 1_770_200_001)
        #expect(await first.post(later).status == 200)
      }
      #expect(try SQLiteReportLog(path: path, lockTimeout: .seconds(60)).recovered.count == 2)
    }
  }

  @Test(
    "A file that is no database is refused, whatever it is, and stays as it is",
    arguments: [
      "this is no database, only a text that is long enough", "x", "SQLite format 3",
      String(repeating: "\0", count: 5000),
    ])
  func noDatabase(text: String) async throws {
    try await withFile { path, folder in
      try Data(text.utf8).write(to: URL(filePath: path))
      let error = try refusal(of: path, in: folder)
      #expect(error.code == .wrongFormat && error.reason == "it is no SQLite database")
    }
  }

  @Test("A database of somebody else is refused: by its tables, its numbers, or their columns")
  func foreign() async throws {
    let schemas = [
      "CREATE TABLE customer (name TEXT)", "CREATE TABLE report (title TEXT, body TEXT)",
      "\(EarlierStore.schema); CREATE TABLE customer (name TEXT)",
      "PRAGMA application_id = 77", "PRAGMA user_version = 3",
      "CREATE TABLE a (b TEXT); PRAGMA application_id = -1",
      (0..<300).map { "CREATE TABLE t\($0) (a TEXT)" }.joined(separator: ";"),
    ]
    for schema in schemas {
      for mode in ["DELETE", "WAL"] {
        try await withFile { path, folder in
          let queue = try DatabaseQueue(path: path)
          try await queue.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA journal_mode = \(mode)")
            try database.execute(sql: schema)
            try database.execute(sql: "VACUUM")
          }
          try queue.close()
          let error = try refusal(of: path, in: folder)
          #expect(error.code == .foreign, "\(schema) in \(mode): \(error)")
        }
      }
    }
  }

  @Test("A database of somebody else whose schema stands in the log beside it is refused")
  func foreignLog() async throws {
    try await withFile { path, folder in
      // Copied while it is open: what stands in the log was not brought into the file.
      let other = folder.appending(path: "other").path
      let queue = try DatabasePool(path: other)
      try await queue.write { try $0.execute(sql: "CREATE TABLE customer (name TEXT)") }
      for suffix in ["", "-wal", "-shm"] {
        try FileManager.default.copyItem(atPath: other + suffix, toPath: path + suffix)
      }
      try queue.close()
      let log = try Data(contentsOf: URL(filePath: path + "-wal"))
      let error = #expect(throws: FileError.self) {
        try SQLiteReportLog(path: path, lockTimeout: .zero)
      }
      #expect(error?.code == .foreign)
      #expect(
        error?.reason == "it is an SQLite database of another program (its tables: customer)")
      #expect(try Data(contentsOf: URL(filePath: path + "-wal")) == log)
    }
  }

  @Test("A store of a newer version is refused by its number")
  func newer() async throws {
    try await withFile { path, folder in
      _ = try SQLiteReportLog(path: path)
      try EarlierStore.edit(path) { try $0.execute(sql: "PRAGMA user_version = 99") }
      let error = try refusal(of: path, in: folder, lockTimeout: .seconds(60))
      #expect(error.code == .unsupportedVersion)
      #expect(error.reason.hasSuffix("its format is 99, and this version knows 2 at most"))
      #expect(error.description.contains("use that version"))
    }
  }

  @Test("A file that nobody may write is refused, even to root")
  func readOnly() async throws {
    try await withFile { path, folder in
      _ = try SQLiteReportLog(path: path)
      let manager = FileManager.default
      try manager.setAttributes([.posixPermissions: 0o444], ofItemAtPath: path)
      let error = try refusal(of: path, in: folder, lockTimeout: .seconds(60))
      #expect(error.code == .readOnly && error.description.contains("make it writable"))
    }
  }

  @Test("A folder in place of a file, and a file in no folder, are refused and nothing is made")
  func noFile() async throws {
    try await withFile { _, folder async throws in
      #expect(try refusal(of: folder.path, in: folder).reason == "it is a folder")
      let nowhere = folder.appending(path: "none/o.sqlite").path
      #expect(try refusal(of: nowhere, in: folder).reason == "No such file or directory")
    }
  }

  @Test(
    "A store that somebody changed is refused by what is wrong with it, and never ends the process",
    arguments: [
      "UPDATE agent_total SET processed_tokens = 'many'", "UPDATE agent_total SET agent = '0x12'",
      "UPDATE agent_total SET proof_tokens = '1e9'", "UPDATE epoch_total SET reported_tokens = -1",
      "UPDATE agent_total SET report_count = 9223372036854775807",
      "UPDATE agent_total SET proof_tokens = '170141183460469231731687303715884105727'",
      "UPDATE report SET dialect = 'spoken'", "UPDATE report SET processed_tokens = x'00'",
      "UPDATE report SET sequence = 9223372036854775807", "UPDATE report SET agent = 7",
      """
      INSERT INTO pipeline_node (model, agent, place, grpc_endpoint, http_endpoint, weight,
        layer_start, layer_end, total_layers, is_ready, seen_at)
      VALUES ('m', '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266', 0, '', '', 1e999, 0, 0, 0, 0, 0)
      """,
      "INSERT INTO registration_guard VALUES ('word', '0x', 1)",
    ])
  func damaged(change: String) async throws {
    try await withFile { path, _ in
      do {
        let oracle = MockOracle(OracleConfiguration(log: try SQLiteReportLog(path: path)))
        #expect(await oracle.post(try signedReport(by: testKey())).status == 200)
      }
      // Once nobody has it.
      _ = try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
      try EarlierStore.edit(path) { try $0.execute(sql: change) }
      #expect(throws: FileError.self) {
        try SQLiteReportLog(path: path, lockTimeout: .seconds(60))
      }
    }
  }
}
