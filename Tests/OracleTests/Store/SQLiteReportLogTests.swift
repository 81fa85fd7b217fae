import EthereumPrimitives
import Foundation
import MockOracle
import PlumiseWire
import Testing

@Suite("SQLite report log", .timeLimit(.minutes(5))) struct SQLiteReportLogTests {
  private func withFile(_ body: (String) async throws -> Void) async throws {
    try await withTemporaryFolder { try await body($0.appending(path: "oracle.sqlite").path) }
  }

  @Test("An oracle that starts again has every acknowledged report and refuses its replay")
  func restarts() async throws {
    try await withFile { path in
      let key = try testKey()
      let proof = validProof(of: key.address.checksummed)
      let first = try signedReport(by: key, tokens: 100, timestamp: 10) {
        $0["proofs"] = [.object(proof)]
      }
      let second = try signedReport(by: key, tokens: 250, timestamp: 20)
      var records: [AgentRecord] = []
      for round in 0..<3 {
        let oracle = MockOracle(OracleConfiguration(log: try SQLiteReportLog(path: path)))
        let statuses = [await oracle.post(first).status, await oracle.post(second).status]
        #expect(statuses == (round == 0 ? [200, 200] : [409, 409]))
        records.append(try #require(oracle.agent(key.address)))
        #expect(oracle.proofs(of: key.address).count == 1)
      }
      #expect(records[0] == records[1] && records[1] == records[2])
      #expect(records[0].processedTokens == 250 && records[0].reportCount == 2)
    }
  }

  @Test("A hundred reports at once are all kept, in order, over two lives")
  func concurrent() async throws {
    try await withFile { path in
      for life in 0..<2 as Range<Int64> {
        let oracle = MockOracle(OracleConfiguration(log: try SQLiteReportLog(path: path)))
        #expect(oracle.agents.count == (life == 0 ? 0 : 50))
        try await withThrowingTaskGroup(of: Int.self) { group in
          for number in 1...50 as ClosedRange<UInt8> {
            let report = try signedReport(by: testKey(number), timestamp: 10 + life)
            group.addTask { await oracle.post(report).status }
          }
          for try await status in group { #expect(status == 200) }
        }
      }
      #expect(try SQLiteReportLog(path: path).recovered.count == 100)
    }
  }

  @Test("A file that another has just let go of is opened")
  func reopens() async throws {
    try await withFile { path in
      try await withThrowingDiscardingTaskGroup { group in
        for _ in 0..<50 {
          // Its last owner has it until the task below has run.
          let log = try await onThreadOfItsOwn {
            try SQLiteReportLog(path: path, patience: .seconds(120))
          }
          group.addTask { withExtendedLifetime(log) {} }
        }
      }
    }
  }

  @Test("A file that is something else is refused by name")
  func notADatabase() async throws {
    try await withFile { path in
      try Data("this is no database, only a text that is long enough".utf8).write(
        to: URL(filePath: path))
      let error = #expect(throws: ReportLogError.self) { try SQLiteReportLog(path: path) }
      #expect(error?.path == path)
    }
  }
}
