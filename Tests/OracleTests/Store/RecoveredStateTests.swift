import EthereumClient
import EthereumPrimitives
import MockOracle
import PlumiseWire
import Testing

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
