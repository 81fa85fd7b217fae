import EthereumPrimitives
import Foundation
import MockOracle
import PlumiseWire
import Synchronization
import SystemErrors
import TestSupport
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
            try SQLiteReportLog(path: path, lockTimeout: .seconds(120))
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
      let error = #expect(throws: FileError.self) { try SQLiteReportLog(path: path) }
      #expect(error?.path == path)
    }
  }
}

/// A log in memory that cannot keep its first reports.
final class FailingLog: ReportLog {
  struct Full: Error {}

  let recovered: [StoredReport] = []
  let kept = Mutex<[(sequence: Int64, report: StoredReport)]>([])
  private let failuresLeft: Mutex<Int>

  init(failures: Int) { failuresLeft = Mutex(failures) }

  func append(_ report: StoredReport, sequence: Int64) async throws {
    let fails = failuresLeft.withLock { left in
      defer { left -= 1 }
      return left > 0
    }
    // Lets the reports that came meanwhile run ahead, as a slow disk does.
    await Task.yield()
    if fails { throw Full() }
    kept.withLock { $0.append((sequence, report)) }
  }
}

@Suite("Report log failures", .timeLimit(.minutes(5))) struct ReportLogFailureTests {
  @Test("A report that cannot be kept counts for nothing, and the same report is taken later")
  func retries() async throws {
    let log = FailingLog(failures: 1)
    let oracle = MockOracle(OracleConfiguration(log: log))
    let key = try testKey()
    let report = try signedReport(by: key) {
      $0["proofs"] = [.object(validProof(of: key.address.checksummed))]
    }
    #expect(await oracle.post(report).status == 500)
    #expect(oracle.agents.isEmpty && oracle.proofs(of: key.address).isEmpty)
    #expect(await oracle.post(report).status == 200)
    #expect(await oracle.post(report).status == 409)
    #expect(oracle.agent(key.address)?.reportCount == 1)
    #expect(oracle.agent(key.address)?.proofCount == 1)
    #expect(log.kept.withLock { $0.count } == 1)
  }

  @Test("Of equal reports at once one is kept, even when the first could not be")
  func concurrent() async throws {
    let log = FailingLog(failures: 1)
    let oracle = MockOracle(OracleConfiguration(log: log))
    let report = try signedReport(by: testKey()).serialized()
    let statuses = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<50 { group.addTask { await oracle.post(report).status } }
      return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
    #expect(statuses == [500: 1, 200: 1, 409: 48])
    #expect(oracle.agent(try testKey().address)?.reportCount == 1)
  }

  @Test("A proof that comes again with a later report is counted once")
  func proofsComeAgain() async throws {
    let oracle = MockOracle()
    let key = try testKey()
    let first = JSON.object(validProof(of: key.address.checksummed))
    let second = InferenceProof(
      model: "bigscience/bloom-560m", input: "Explain", output: "It", agent: key.address,
      tokenCount: 1)
    for (offset, proofs) in [[first], [first, second.json], [second.json]].enumerated() {
      let report = try signedReport(by: key, timestamp: 10 + Int64(offset)) {
        $0["proofs"] = .array(proofs)
      }
      #expect(await oracle.post(report).status == 200)
    }
    #expect(oracle.agent(key.address)?.proofCount == 2)
    #expect(oracle.proofs(of: key.address).map(\.tokenCount) == [2, 1])
  }
}

/// Runs what blocks its thread outside the few threads that all tests share.
func onThreadOfItsOwn<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
  }
}
