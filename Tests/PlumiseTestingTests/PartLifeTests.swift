import ChainAgent
import EthereumClient
import MockServing
import PetalsNode
import PlumiseTesting
import Testing

/// Nodes that end and start again in the middle of a test.
@Suite("Nodes that end in mid-test", .timeLimit(.minutes(5)))
struct NodeLifeTests {
  private func generate(_ network: PetalsNetwork) async throws -> [Int32] {
    try await network.generate([5, 6, 7], maxNewTokens: 4).generatedIDs
  }

  @Test("A killed node is refused, and generates the same at its address once it runs again")
  func killed() async throws {
    try await withNetwork(nodes: 2) { network in
      let node = network.nodes[1]
      let (before, peer) = (try await generate(network), node.peer)
      #expect(node.metrics.snapshot.totalRequests == 1)
      await node.kill()
      #expect(!node.isRunning && node.node.phase == .stopped)
      await #expect(throws: RouteError.self) { _ = try await generate(network) }
      try await node.restart()
      #expect(node.isRunning && node.node.phase == .ready && node.node.address == peer)
      #expect(node.metrics.snapshot.totalRequests == 0)
      #expect(try await generate(network) == before)
      #expect(node.metrics.snapshot.totalRequests == 1)
    }
  }

  @Test("A stopped node sends its last report; a killed one does not", arguments: [true, false])
  func lastReport(kills: Bool) async throws {
    try await withNetwork(nodes: 1) { network in
      let node = network.nodes[0]
      try await node.register()
      try await node.reporter.start()
      _ = try await generate(network)
      if kills { await node.kill() } else { await node.stop() }
      #expect(network.oracle.agent(node.address)?.reportCount == (kills ? nil : 1))
      #expect(network.clock.deadlines.isEmpty)
      // What it did before it does again.
      try await network.time.advance(by: .seconds(1))
      try await node.restart()
      #expect(await node.reporter.isRunning)
      try await network.time.advance(by: network.plan.reportInterval)
      #expect(network.oracle.agent(node.address)?.reportCount == (kills ? 1 : 2))
    }
  }

  @Test(
    "Proofs that were not reported outlive a kill with the node's state", arguments: [true, false])
  func proofs(keepingState: Bool) async throws {
    try await withNetwork(nodes: 1) { network in
      let node = network.nodes[0]
      try await node.register()
      _ = try await generate(network)
      #expect(node.metrics.proofs.count == 1)
      await node.kill()
      try await node.restart(keepingState: keepingState)
      #expect(node.metrics.proofs.count == (keepingState ? 1 : 0))
      #expect(await node.reporter.reportNow().isAccepted)
      #expect(network.oracle.proofs(of: node.address).count == (keepingState ? 1 : 0))
    }
  }

  @Test("A node that ends twice ends once, and one that runs is stopped before it starts again")
  func repeated() async throws {
    try await withNetwork(nodes: 1) { network in
      let node = network.nodes[0]
      let first = node.node
      try await node.restart()
      #expect(first.phase == .stopped && node.node !== first)
      await node.stop()
      await node.stop()
      await node.kill()
      let kinds = network.events.entries.map { "\($0.kind)" }
      #expect(kinds == ["started", "stopped", "started", "stopped"])
      #expect(network.events.entries.allSatisfy { $0.part == "node 0" })
    }
  }

  @Test("A node is stopped also while the oracle does not run, at the cost of network time alone")
  func stoppedWithoutOracle() async throws {
    try await withNetwork(nodes: 1) { network in
      let node = network.nodes[0]
      try await node.register()
      try await node.reporter.start()
      try await network.kill(.oracle)
      await node.stop()
      #expect(await node.reporter.isRunning == false)
      #expect(
        network.events.entries.contains { if case .reportFailed = $0.kind { true } else { false } })
    }
  }

  @Test("Added and replaced nodes serve, with keys of their own")
  func added() async throws {
    try await withNetwork(nodes: 2) { network in
      let before = try await generate(network)
      let first = network.nodes[0]
      await first.kill()
      let added = try await network.addNode(blocks: first.node.configuration.blocks)
      #expect(network.nodes.count == 3 && network.nodes[2] === added && added.index == 2)
      #expect(try await generate(network) == before)
      try await added.register()
      await added.kill()
      let new = try await network.replaceNode(at: 0)
      #expect(network.nodes.count == 3 && network.nodes[0] === new)
      #expect(new.address != first.address && new.peer != first.peer)
      #expect(try await generate(network) == before)
      try await new.register()
      #expect(await new.reporter.reportNow().isAccepted)
    }
  }

  @Test("An agent whose services the network runs lives on after a kill")
  func services() async throws {
    var plan = try NetworkPlan(nodes: 1)
    plan.runsServices = true
    try await withPetalsNetwork(plan) { network in
      let node = network.nodes[0]
      try await network.time.advance(by: .seconds(120))
      let reports = try network.oracle.record(of: node.address).reportCount
      let beat = try #require(network.chain.agent(node.address)).lastHeartbeat
      await node.kill()
      // Nothing of it is done any more.
      try await network.time.advance(by: .seconds(600))
      #expect(network.oracle.agent(node.address)?.reportCount == reports)
      #expect(network.chain.agent(node.address)?.lastHeartbeat == beat)
      try await node.restart()
      try await network.time.advance(by: .seconds(120))
      #expect(try network.oracle.record(of: node.address).reportCount == reports + 2)
      #expect(try #require(network.chain.agent(node.address)).lastHeartbeat > beat)
    }
  }

  @Test("A newest agent that was killed joins the pipeline again, where the gateway finds it")
  func newestAgent() async throws {
    try await withNetwork(nodes: 2, oracle: .deployed, agents: .newest, gateway: .fixed) {
      network in
      let (node, gateway) = (network.nodes[1], try #require(network.gateway))
      let url = try #require(node.httpURL)
      await gateway.refresh()
      #expect(gateway.nodes.count == 2)
      await node.kill()
      try await network.time.advance(by: .seconds(60))
      try await node.restart()
      #expect(node.httpURL == url)
      let reports = network.oracle.agent(node.address)?.reportCount ?? 0
      try await network.time.advance(by: .seconds(120))
      #expect(try network.oracle.record(of: node.address).reportCount > reports)
      #expect(gateway.nodes.contains { $0.url == url })
    }
  }
}

/// Services of a network that end and start again in the middle of a test.
@Suite("Services that end in mid-test", .timeLimit(.minutes(5)))
struct ServiceLifeTests {
  @Test(
    "An oracle that was killed is at its address again, with what it had or without",
    arguments: [true, false])
  func oracle(keepingState: Bool) async throws {
    try await withNetwork(nodes: 1) { network in
      let (node, address) = (network.nodes[0], network.oracleAddress)
      try await node.register()
      #expect(await node.reporter.reportNow().isAccepted)
      try await network.kill(.oracle)
      #expect(!network.isRunning(.oracle) && !network.oracle.isServing)
      #expect(await !node.reporter.reportNow().isAccepted)
      try await network.restart(.oracle, keepingState: keepingState)
      #expect(network.oracleAddress == address && network.oracle.isServing)
      #expect(network.oracle.agent(node.address)?.reportCount == (keepingState ? 1 : nil))
      try await network.time.advance(by: .seconds(1))
      #expect(await node.reporter.reportNow().isAccepted)
      #expect(try network.oracle.record(of: node.address).reportCount == (keepingState ? 2 : 1))
      let events = network.events.entries.filter { $0.part == "oracle" }.map { "\($0.kind)" }
      #expect(events == ["killed", "started"])
    }
  }

  @Test(
    "A chain that was stopped goes on where it was, or begins anew with the agents' coins",
    arguments: [true, false])
  func chain(keepingState: Bool) async throws {
    try await withNetwork(nodes: 1) { network in
      let node = network.nodes[0]
      try await node.register()
      let height = network.chain.blockNumber
      try await network.stop(.chain)
      let client = EthereumClient(url: network.chainAddress.url)
      await #expect(throws: ChainError.self) { try await client.chainID() }
      try await network.restart(.chain, keepingState: keepingState)
      #expect(network.chain.blockNumber == (keepingState ? height : 0))
      #expect(network.chain.isRegistered(node.address) == keepingState)
      let outcome = try await node.register()
      if case .alreadyRegistered = outcome {
        #expect(keepingState)
      } else {
        #expect(!keepingState && network.chain.isRegistered(node.address))
      }
    }
  }

  @Test("A request under way is broken off when its service is killed")
  func underWay() async throws {
    try await withNetwork(nodes: 1) { network in
      let node = network.nodes[0]
      try await node.register()
      network.oracleFaults.add(.neverAnswer)
      async let outcome = node.reporter.reportNow()
      _ = try await network.oracleFaults.met.next()
      try await network.kill(.oracle)
      #expect(await !outcome.isAccepted)
      #expect(network.clock.now == .init(), "it ended by time, not by the broken connection")
    }
  }

  @Test("A gateway finds its nodes anew; a network without one says so")
  func gateway() async throws {
    try await withNetwork(nodes: 2, oracle: .deployed, agents: .newest, gateway: .fixed) {
      network in
      let (address, first) = (network.gatewayAddress, try #require(network.gateway))
      try await network.kill(.gateway)
      try await network.restart(.gateway, keepingState: false)
      let second = try #require(network.gateway)
      #expect(second !== first && network.gatewayAddress == address && second.nodes.count == 2)
    }
    try await withNetwork(nodes: 1) { network in
      await #expect(throws: NetworkPlanError.noGateway) { try await network.kill(.gateway) }
      #expect(NetworkPlanError.noGateway.description.contains("gateway: .fixed"))
    }
  }

  @Test("While a part does not run its port is nobody else's, and its start takes it back")
  func port() async throws {
    try await withNetwork(nodes: 1) { network in
      let port = network.oracleAddress.port
      try await network.kill(.oracle)
      // The system gives this port to nobody who asks for any.
      for _ in 0..<200 {
        try await withWebServer(respond: { _ in .text("") }) { #expect($0.port != port) }
      }
      // Somebody who names it gets it: then the start says so, and may be tried again.
      try await withWebServer(ServerConfiguration(port: port), respond: { _ in .text("") }) {
        _ async throws in
        await #expect(throws: ServingError.self) { try await network.restart(.oracle) }
        #expect(!network.isRunning(.oracle))
      }
      try await network.restart(.oracle)
      #expect(network.oracleAddress.port == port)
    }
  }

  @Test("A report of a failure lists what happened to parts, and says what does not run")
  func report() async throws {
    try await withNetwork(nodes: 1, links: .faulty) { network in
      let node = network.nodes[0]
      network.oracleFaults.seed(71)
      network.chain.seedFaults(72)
      node.link?.seed(73)
      node.link?.add(LinkFaultRule(.delay(.seconds(1)), .toClient, count: nil))
      try await node.register()
      let service = node.service()
      let running = Task { try await service.run() }
      _ = try await network.events.next { if case .agent = $0.kind { true } else { false } }
      running.cancel()
      try await running.value
      _ = await node.reporter.reportNow()
      await node.kill()
      try await network.stop(.oracle)
      let text = network.report.text
      for part in [
        "0.0 seconds node 0: registered already", "node 0: report answered 200", "node 0: killed",
        "oracle: stopped", "oracle's faults: 71", "chain's faults: 72",
        "link from the client to node 0: 73",
        #""fault":"delay""#, "not running", "nodes[0].restart()", "network.restart(.oracle)",
      ] {
        #expect(text.contains(part), "no \(part) in:\n\(text)")
      }
    }
  }
}
