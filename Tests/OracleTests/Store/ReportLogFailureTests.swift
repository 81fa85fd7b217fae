import EthereumPrimitives
import MockOracle
import PlumiseWire
import Synchronization
import Testing

/// A log in memory that cannot keep its first reports.
private final class FailingLog: ReportLog {
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
