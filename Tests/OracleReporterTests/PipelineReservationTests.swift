import EthereumPrimitives
import MockOracle
import MockServing
import OracleReporter
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Places and members of a pipeline", .timeLimit(.minutes(2)))
struct PipelineReservationTests {
  private let time = TestTime(1_770_200_000)
  private let clock = ManualClock()
  private let key = SecretKey.random()
  private let grpc = "http://127.0.0.1:9000"
  private let http = "http://127.0.0.1:9100"

  private func agent(_ url: String) throws -> PipelineOracle {
    PipelineOracle(
      url: try OracleURL(url), model: PlumiseNetwork.model, key: key, clock: clock,
      unixClock: time.clock)
  }

  private func place(_ url: String) throws -> PipelineReservation {
    PipelineReservation(
      url: try OracleURL(url), model: PlumiseNetwork.model, key: key, grpcEndpoint: grpc,
      httpEndpoint: http, ramMegabytes: 2048, clock: clock, unixClock: time.clock)
  }

  /// Lets four minutes pass once somebody waits for their end.
  private func pass(_ period: Int) async throws {
    try await clock.waitForSleeper(until: .seconds(240 * period))
    time.seconds += 240
    clock.advance(by: .seconds(240))
  }

  @Test("A place is kept beyond ten minutes, over an outage, until its agent is there")
  func kept() async throws {
    let oracle = MockOracle.deployed(at: time)
    let faults = FaultScript()
    try await oracle.withServer(faults: faults) { address in
      let place = try place(address.url)
      #expect(try await place.reserve().layerEnd == 24)
      let troubles = Journal<String>()
      let keeping = Task { try await place.keep { troubles.record($0) } }
      for period in 1...4 {
        if period == 2 { faults.add(FaultRule(.status(503), count: 1)) }
        try await pass(period)
        if period == 2 {
          let trouble = try await troubles.next()
          #expect(trouble.contains(grpc) && trouble.contains("503"), "\(trouble)")
        } else {
          let count = period < 2 ? 2 : period
          _ = try await oracle.journal.wait(forCount: count) {
            $0.request.path == PipelineRegistration.path && $0.status == 201
          }
        }
      }
      #expect(oracle.topology(of: PlumiseNetwork.model).map(\.grpcEndpoint) == [grpc])
      // The agent comes in the second of the last registration, and is no replay.
      let agent = try agent(address.url)
      let before = clock.now
      let layers = try await agent.join(
        grpcEndpoint: grpc, httpEndpoint: http, ramMegabytes: 2048)
      #expect(layers.layerEnd == 24 && clock.now == before)
      try await agent.markReady()
      try await pass(5)
      try await keeping.value
      #expect(oracle.topology(of: PlumiseNetwork.model).map(\.ready) == [true])
      #expect(troubles.count == 1)
    }
  }

  @Test("An agent that came with endpoints of its own keeps them, before it is ready")
  func taken() async throws {
    let oracle = MockOracle.deployed(at: time)
    try await oracle.withServer { address in
      let place = try place(address.url)
      try await place.reserve()
      let keeping = Task { try await place.keep { Issue.record("\($0)") } }
      try await clock.waitForSleeper(until: .seconds(240))
      let other = "http://127.0.0.1:9001"
      _ = try await agent(address.url).join(
        grpcEndpoint: other, httpEndpoint: http, ramMegabytes: 2048)
      try await pass(1)
      try await keeping.value
      #expect(oracle.topology(of: PlumiseNetwork.model).map(\.grpcEndpoint) == [other])
    }
  }

  @Test("A member takes the topology at intervals, and keeps the last one while none is to be had")
  func membership() async throws {
    let oracle = MockOracle.deployed(at: time)
    let faults = FaultScript()
    try await oracle.withServer(faults: faults) { address in
      let agent = try agent(address.url)
      _ = try await agent.join(grpcEndpoint: grpc, httpEndpoint: http, ramMegabytes: 1)
      let (topologies, troubles) = (Journal<[PipelineNode]>(), Journal<String>())
      let membership = PipelineMembership(agent) { troubles.record($0) }
      try await membership.begin(with: try await agent.topology()) { topologies.record($0) }
      #expect(topologies.entries.map { $0.map(\.ready) } == [[false]])
      let following = Task { await membership.follow { topologies.record($0) } }
      try await clock.waitForSleeper(until: .seconds(30))
      faults.add(FaultRule(.status(503), count: 1))
      clock.advance(by: .seconds(30))
      #expect(try await troubles.next().contains("503"))
      try await clock.waitForSleeper(until: .seconds(60))
      clock.advance(by: .seconds(30))
      let latest = try await topologies.wait(forCount: 2).last
      #expect(latest?.map(\.ready) == [true])
      following.cancel()
      await following.value
      #expect(troubles.count == 1)
    }
  }
}
