import EthereumPrimitives
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("A client of the oracle's pipelines", .timeLimit(.minutes(2)))
struct PipelineOracleTests {
  private func client(
    _ url: String, _ model: String = PlumiseNetwork.model, key: SecretKey = .random(),
    clock: any Clock<Duration> = ContinuousClock()
  ) throws -> PipelineOracle {
    PipelineOracle(url: try OracleURL(url), model: model, key: key, clock: clock)
  }

  @Test("Two nodes join, get their layers, become ready and are listed in their order")
  func joining() async throws {
    let oracle = MockOracle(OracleConfiguration(dialects: [.deployed]))
    try await oracle.withServer { address in
      let keys = [SecretKey.random(), SecretKey.random()]
      var layers: [Range<Int>] = []
      for (index, key) in keys.enumerated() {
        let assignment = try await client(address.url, key: key).join(
          grpcEndpoint: "http://127.0.0.1:\(9000 + index)",
          httpEndpoint: "http://127.0.0.1:\(9100 + index)", ramMegabytes: 1024)
        #expect(assignment.totalLayers == 24)
        layers.append(assignment.layerStart..<assignment.layerEnd)
      }
      #expect(layers == [0..<24, 12..<24])
      try await client(address.url, key: keys[1]).markReady()
      let nodes = try await client(address.url).topology()
      #expect(nodes.map(\.nodeAddress) == keys.map(\.address.lowercaseHex))
      #expect(nodes.map(\.ready) == [false, true])
      #expect(nodes.map(\.grpcEndpoint) == ["http://127.0.0.1:9000", "http://127.0.0.1:9001"])
      #expect(nodes.map(\.layerEnd) == [12, 24])
      // Every character of a name arrives.
      #expect(try await client(address.url, "a/b &=?#%é").topology().isEmpty)
    }
  }

  @Test("A refusal has the oracle's reason and status")
  func refusal() async throws {
    let oracle = MockOracle(OracleConfiguration(dialects: [.deployed]))
    try await oracle.withServer { address in
      let error = await #expect(throws: ReporterError.self) {
        try await client(address.url).markReady()
      }
      #expect(error?.code == .refused && error?.status == 400)
      #expect(error?.reason == "Pipeline node not found")
      let endpoints = await #expect(throws: ReporterError.self) {
        _ = try await client(address.url).join(
          grpcEndpoint: "http://127.0.0.1:1", httpEndpoint: "http://127.0.0.1:1", ramMegabytes: 1)
      }
      #expect(endpoints?.reason == "Pipeline nodes must have separate gRPC and HTTP endpoints")
    }
  }

  @Test("An oracle that is away, silent or none is named")
  func failures() async throws {
    try await withClosedPort { address in
      let error = await #expect(throws: ReporterError.self) {
        _ = try await client("http://127.0.0.1:\(address.port)").topology()
      }
      #expect(error?.code == .outage)
      #expect(error?.message.contains("127.0.0.1:\(address.port)") == true)
    }
    try await MockOracle(OracleConfiguration(dialects: [.documented])).withServer { address in
      let error = await #expect(throws: ReporterError.self) {
        _ = try await client(address.url).topology()
      }
      #expect(error?.code == .refused && error?.status == 404)
    }
    let clock = ManualClock()
    let faults = FaultScript()
    faults.add(.neverAnswer)
    let oracle = MockOracle(OracleConfiguration(dialects: [.deployed]))
    try await oracle.withServer(faults: faults) { address in
      let silent = try client(address.url, clock: clock)
      let reading = Task { try await silent.topology() }
      try await clock.waitForSleeper(until: .seconds(15))
      clock.advance(by: .seconds(15))
      let error = await #expect(throws: ReporterError.self) { _ = try await reading.value }
      #expect(error?.code == .timedOut)
    }
  }
}
