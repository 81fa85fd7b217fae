import AsyncPrimitives
import Bloom
import MockServing
import MockWeb3
import PetalsNode
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

/// The one time that all parts of a network have.
@Suite("A network's time", .timeLimit(.minutes(5)))
struct NetworkTimeTests {
  private static let start = Duration.seconds(1_770_000_000)

  private func plan(nodes: Int = 1) throws -> NetworkPlan {
    var plan = try NetworkPlan(nodes: nodes)
    plan.startTime = Self.start
    return plan
  }

  @Test("A jump of an hour is an hour of the chain, of uptimes and of reports")
  func jump() async throws {
    try await withPetalsNetwork(plan()) { network in
      let node = network.nodes[0]
      try await node.register()
      // The second after the genesis block's.
      #expect(network.chain.latestBlock.header.timestamp == 1_770_000_001)
      #expect(await node.reporter.reportNow().timestamp == 1_770_000_000)
      network.clock.advance(by: .seconds(3600))
      try await node.agent.heartbeat()
      #expect(network.chain.agent(node.address)?.lastHeartbeat == 1_770_003_600)
      #expect(await node.reporter.reportNow().timestamp == 1_770_003_600)
      #expect(node.metrics.snapshot.uptime == .seconds(3600))
    }
  }

  @Test("In an hour that passes, reports and heartbeats are sent as often as they would be")
  func hour() async throws {
    var plan = try plan(nodes: 2)
    plan.runsServices = true
    try await withPetalsNetwork(plan) { network in
      try await network.time.advance(by: .seconds(3600))
      #expect(network.clock.now == .init(offset: .seconds(3600)))
      for node in network.nodes {
        let reports = network.oracle.reports(of: node.address)
        #expect(reports.map(\.timestamp) == (1...60).map { 1_770_000_000 + 60 * $0 })
        // Of two blocks in one second the later one is a second ahead.
        let heartbeat = try #require(network.chain.agent(node.address)?.lastHeartbeat)
        #expect((1_770_003_600...1_770_003_601).contains(heartbeat))
        #expect(node.metrics.snapshot.uptime == .seconds(3600))
        #expect(node.node.info.uptime == .seconds(3600))
      }
      // A registration of each, and a heartbeat at once and then every two minutes.
      #expect(network.chain.latestBlock.header.number == 2 * (1 + 31))
    }
  }

  @Test("Blocks by time are made as often as they would be")
  func blocks() async throws {
    var plan = try plan()
    plan.chain.mining = .every(.seconds(12))
    try await withPetalsNetwork(plan) { network in
      try await network.time.advance(by: .seconds(600))
      #expect(network.chain.latestBlock.header.number == 50)
      #expect(network.chain.latestBlock.header.timestamp == 1_770_000_600)
    }
  }

  @Test(
    "No time passes while a service works on an answer, within a time limit of its own or not",
    arguments: [true, false])
  func limitedAnswers(onEventLoops: Bool) async throws {
    let time = NetworkTime(startingAt: Self.start)
    let clock = time.clock
    try await withWebServer(
      ServerConfiguration(runsOnEventLoops: onEventLoops), faults: FaultScript(clock: clock),
      respond: { _ in
        let wasIdle = try? await withDeadline(.seconds(100), on: clock) {
          try await clock.sleep(for: .seconds(1))
          for _ in 0..<1000 {
            await Task.yield()
            if clock.idleMonitor.isIdle { return true }
          }
          return false
        }
        return .text("\(wasIdle, default: "the limit was over")")
      }
    ) { address async throws in
      let answer = try await time.run {
        try await withRequest([7], within: .seconds(200), on: clock) {
          try await fetch(address.url, "POST", body: [7])
        }
      }
      #expect(answer.text == "false")
      #expect(clock.now == .init(offset: .seconds(1)))
    }
  }

  @Test(
    "What waits for a fault of the chain ends as the time passes",
    arguments: [
      ChainFaultRule(.loseReceipt), ChainFaultRule(.drop), ChainFaultRule(.stall),
      ChainFaultRule(.delay(.seconds(20))), ChainFaultRule(.withholdReceipt(blocks: 1)),
      ChainFaultRule(.reset(afterHandling: true), method: "eth_sendRawTransaction"),
    ])
  func chainFaults(_ rule: ChainFaultRule) async throws {
    try await withPetalsNetwork(plan()) { network in
      let node = network.nodes[0]
      network.chain.inject(rule)
      try await endsInTime(
        within: .seconds(30), butCame: "the registration waits: \(network.clock.deadlines)"
      ) {
        _ = try await network.time.run { try await node.register() }
      }
      #expect(network.chain.isRegistered(node.address))
    }
  }

  /// A fault of the oracle, and how long a report waits for it.
  struct OracleFault: Sendable, CustomTestStringConvertible {
    let name: String
    let fault: Fault
    let wait: Duration
    var testDescription: String { name }
  }

  @Test(
    "What waits for a fault of the oracle ends as the time passes",
    arguments: [
      OracleFault(name: "no answer", fault: .neverAnswer, wait: .seconds(30)),
      OracleFault(name: "a delay", fault: .delay(.seconds(12)), wait: .seconds(12)),
      OracleFault(
        name: "a slow body", fault: .slowBody(.init(bytes: 16, pause: .seconds(1))),
        wait: .seconds(1)),
      OracleFault(name: "a connection that ends", fault: .drop(.beforeAnswer), wait: .zero),
    ])
  func oracleFaults(_ fault: OracleFault) async throws {
    try await withPetalsNetwork(plan()) { network in
      let node = network.nodes[0]
      try await node.register()
      network.oracleFaults.add(fault.fault)
      try await endsInTime(
        within: .seconds(30), butCame: "the report waits: \(network.clock.deadlines)"
      ) {
        try await network.time.run { _ = await node.reporter.reportNow() }
      }
      #expect(network.oracleFaults.met.count == 1)
      #expect(network.clock.now >= .init(offset: fault.wait))
      #expect(network.clock.now < .init(offset: .seconds(31)))
    }
  }

  @Test("A held link ends a client's step as the time passes")
  func heldLink() async throws {
    var plan = try plan()
    plan.hasFaultyLinks = true
    try await withPetalsNetwork(plan) { network in
      let link = try #require(network.nodes[0].link)
      try await endsInTime(
        butCame: "the generation waits: \(network.clock.deadlines)", release: { link.release() }
      ) {
        try await network.time.run {
          try await network.withClient(clock: network.clock) { client in
            let prompt = try PipelineRequest(promptIDs: [1, 2, 3], maxNewTokens: 2)
            let result = try await client.generate(prompt).collect()
            #expect(result.generatedIDs.count == 2)
            #expect(network.clock.now == .init(), "time passed while nothing was held")
            link.hold()
            await #expect(throws: (any Error).self) {
              _ = try await client.generate(prompt).collect()
            }
          }
        }
      }
      #expect(network.clock.now > .init())
    }
  }

  @Test("A node ends a silent session when its time is over")
  func silentSession() async throws {
    try await withPetalsNetwork(plan()) { network in
      let model = try TinyModel.clientModel().checkpoint
      try await withGRPCTransports(network.peers) { transports in
        let opening = SessionOpening(
          id: "1", fingerprint: model.fingerprint, blocks: nil, maximumLength: 8)
        let session = try await transports[0].openSession(opening)
        let hidden = try HiddenStates(
          tokens: 1, hidden: model.configuration.hiddenSize,
          values: Array(repeating: 0.5, count: model.configuration.hiddenSize))
        _ = try await session.step(hidden, startFrom: nil)
        network.clock.advance(by: network.nodes[0].node.configuration.sessionIdleLimit)
        try await network.nodes[0].node.waitUntilIdle()
        let error = await #expect(throws: NodeError.self) {
          try await session.step(hidden, startFrom: nil)
        }
        #expect(error?.description.contains("silent") == true, "\(error.debugDescription)")
      }
    }
  }

  @Test("A server ends a request that is not sent to its end, when its time is over")
  func slowRequest() async throws {
    try await withPetalsNetwork(plan()) { network in
      for address in [network.oracleAddress, network.chainAddress] {
        try await RawClient.connected(to: address) { client async throws in
          try await client.send(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
          // "100 Continue": the server has the head, and waits for the rest.
          _ = try await client.received.next()
          try await network.time.advance(by: .seconds(60))
          _ = try await client.waitForEnd()
        }
      }
    }
  }

  @Test("An operation that time does not end says which deadlines there are")
  func unended() async throws {
    try await withPetalsNetwork(plan()) { network in
      let (never, continuation) = AsyncStream<Void>.makeStream()
      let error = await #expect(throws: NetworkTime.Unended.self) {
        try await network.time.run(within: .seconds(60)) {
          async let nap: Void = network.clock.sleep(for: .seconds(90))
          for await _ in never {}
          try await nap
        }
      }
      continuation.finish()
      let text = try #require(error?.description)
      #expect(text.contains("has not ended within 60.0 seconds"), "\(text)")
      #expect(text.contains("sleepers wait until 90.0 seconds"), "\(text)")
    }
  }

  @Test("Work that the body began runs before the clock moves")
  func begun() async throws {
    try await withPetalsNetwork(plan()) { network in
      let node = network.nodes[0]
      async let registered = node.register()
      try await network.time.advance(by: .seconds(1))
      #expect(network.chain.isRegistered(node.address))
      _ = try await registered
    }
  }
}
