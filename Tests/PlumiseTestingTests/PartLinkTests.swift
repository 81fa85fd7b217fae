import AsyncPrimitives
import ChainAgent
import EthereumClient
import MockServing
import PetalsNode
import PlumiseTesting
import TestSupport
import Testing

/// The links between the parts of a network.
@Suite("Links between parts", .timeLimit(.minutes(5)))
struct PartLinkTests {
  @Test("A node that is cut off from the oracle cannot report; the others can")
  func nodeToOracle() async throws {
    try await withNetwork(nodes: 2, links: .faulty) { network in
      for node in network.nodes { try await node.register() }
      let link = try network.link(from: .node(0), to: .oracle)
      await link.cut()
      let failed = await network.nodes[0].reporter.reportNow()
      #expect(failed.failure?.code == .outage, "\(failed)")
      #expect(await network.nodes[1].reporter.reportNow().isAccepted)
      try await link.heal()
      #expect(await network.nodes[0].reporter.reportNow().isAccepted)
      #expect(network.oracle.agent(network.nodes[0].address)?.reportCount == 1)
    }
  }

  @Test("A node whose way to the chain is held gives up as the time passes; the others register")
  func nodeToChain() async throws {
    try await withNetwork(nodes: 2, links: .faulty) { network in
      let link = try network.link(from: .node(1), to: .chain)
      link.hold()
      let error = await #expect(throws: ChainError.self) {
        try await network.time.run { try await network.nodes[1].register() }
      }
      #expect(error?.code == .timedOut, "\(error.debugDescription)")
      #expect(network.clock.now.offset >= .seconds(30))
      try await network.nodes[0].register()
      link.release()
      try await network.nodes[1].register()
    }
  }

  @Test("An oracle that is cut off from the chain cannot know agents, while they register")
  func oracleToChain() async throws {
    try await withNetwork(nodes: 1, links: .faulty) { network in
      let (node, link) = (network.nodes[0], try network.link(from: .oracle, to: .chain))
      await link.cut()
      try await node.register()
      #expect(await !node.reporter.reportNow().isAccepted)
      try await link.heal()
      #expect(await node.reporter.reportNow().isAccepted)
    }
  }

  @Test("A gateway whose way to an agent is reset says so, and asks again when it is not")
  func gatewayToNode() async throws {
    try await withNetwork(
      nodes: 1, oracle: .deployed, agents: .newest, gateway: .fixed, links: .faulty
    ) { network in
      let link = try network.link(from: .gateway, to: .node(0))
      await link.cut()
      #expect(try await chat(network).status == 503)
      try await link.heal()
      #expect(try await chat(network).status == 200)
      // Its way to the oracle is another one.
      await (try network.link(from: .gateway, to: .oracle)).cut()
      #expect(try await chat(network).status == 200)
    }
  }

  private func chat(_ network: PetalsNetwork) async throws -> FetchedAnswer {
    let url = try #require(network.gatewayAddress).url
    return try await fetch(
      url + "/v1/chat/completions",
      json: [
        "model": .string(network.plan.pipelineModel), "max_tokens": 2, "temperature": 0,
        "messages": [["role": "user", "content": "Hello"]],
      ])
  }

  @Test("Agents hand passes on over the link from clients to the next one")
  func nodeToNode() async throws {
    try await withNetwork(
      nodes: 2, oracle: .deployed, agents: .newest, gateway: .fixed, links: .faulty
    ) { network in
      let link = try network.link(from: .node(0), to: .node(1))
      #expect(link === network.nodes[1].link)
      #expect(try await chat(network).status == 200)
      await link.cut()
      #expect(try await chat(network).status == 503)
    }
  }

  @Test("A report over a slow link is late by the delay, there and back")
  func delayedReport() async throws {
    try await withNetwork(nodes: 1, links: .faulty) { network in
      let node = network.nodes[0]
      try await node.register()
      let began = network.clock.now
      try network.link(from: .node(0), to: .oracle).add(LinkFaultRule(.delay(.seconds(2))))
      let isAccepted = try await network.time.run { await node.reporter.reportNow().isAccepted }
      #expect(isAccepted)
      // Each way may be late twice: for a message's head, and for a body that is sent after it arrived.
      let took = began.duration(to: network.clock.now)
      #expect((.seconds(4)...(.seconds(8))).contains(took), "\(took)")
    }
  }

  @Test("A generation over links that are slow on the network's time ends as that time passes")
  func delayedGeneration() async throws {
    try await withNetwork(nodes: 2, links: .faultyOnNetworkTime) { network in
      let expected = try await network.generate([5, 6, 7], maxNewTokens: 4).generatedIDs
      for node in network.nodes {
        node.link?.add(LinkFaultRule(.delay(.seconds(1), jitter: .seconds(1)), count: nil))
      }
      let ids = try await endsInTime(
        within: .seconds(60), butCame: "it waits: \(network.clock.deadlines)",
        release: { network.nodes.forEach { $0.link?.release() } }
      ) {
        try await network.time.run {
          try await network.withClient(
            limits: TransportLimits(connect: .seconds(3600), request: .seconds(3600)),
            clock: network.clock
          ) { client in
            try await client.generate(PipelineRequest(promptIDs: [5, 6, 7], maxNewTokens: 4))
              .collect().generatedIDs
          }
        }
      }
      #expect(ids == expected)
      // There and back for each token through each of the nodes.
      #expect(network.clock.now.offset >= .seconds(ids.count * 2 * 2))
    }
  }

  @Test(
    "A node behind a connection that a rule or the clock holds stops at once",
    arguments: [LinkFault.hold, .delay(.seconds(3600))])
  func stopsBehindHeldConnection(fault: LinkFault) async throws {
    var plan = try NetworkPlan(nodes: 1, links: .faultyOnNetworkTime)
    // Otherwise the end of this period would end the node as well.
    plan.configureNode = { $1.gracePeriod = .seconds(3600) }
    try await withPetalsNetwork(plan) { network in
      let node = network.nodes[0]
      node.link?.add(LinkFaultRule(fault, .toServer))
      let generating = Task { try await network.generate([5, 6, 7], maxNewTokens: 4) }
      if fault == .hold {
        try await node.link?.waitUntilHolding()
      } else {
        try await network.clock.waitForSleepers()
      }
      try await endsInTime(
        butCame: "the node waits for its connection", release: { await node.link?.reset() }
      ) { await node.stop() }
      generating.cancel()
      await #expect(throws: (any Error).self) { _ = try await generating.value }
    }
  }

  @Test("A network whose links are held or cut ends, and last reports go out")
  func ends() async throws {
    let ended = AsyncState<PetalsNetwork?>(nil)
    try await withNetwork(nodes: 1, links: .faulty) { network in
      ended.update { $0 = network }
      let node = network.nodes[0]
      try await node.register()
      try await node.reporter.start()
      try network.link(from: .node(0), to: .oracle).hold()
      await (try network.link(from: .oracle, to: .chain)).cut()
      try network.link(from: .client, to: .node(0)).hold()
    }
    let network = try #require(ended.value)
    #expect(network.oracle.agent(network.nodes[0].address)?.reportCount == 1)
  }

  @Test("A link that is not there is refused with those that are")
  func unknown() async throws {
    try await withNetwork(nodes: 1) { network in
      let error = #expect(throws: NetworkPlanError.self) {
        try network.link(from: .node(0), to: .oracle)
      }
      #expect("\(error, default: "")".contains("declare links: .faulty"))
    }
    try await withNetwork(nodes: 1, links: .faulty) { network in
      for (from, to) in [
        (.oracle, .node(0)), (.node(0), .node(0)), (.gateway, .oracle), (.client, .node(1)),
      ] as [(NetworkPlace, NetworkPlace)] {
        let error = #expect(throws: NetworkPlanError.self) { try network.link(from: from, to: to) }
        #expect("\(error, default: "")".contains("the client to node 0"), "\(from) to \(to)")
      }
    }
  }

  @Test("A report of a failure names the link that is cut")
  func report() async throws {
    try await withNetwork(nodes: 1, links: .faulty) { network in
      await (try network.link(from: .oracle, to: .chain)).cut()
      #expect(network.report.text.contains("link from the oracle to the chain: cut"))
    }
  }
}
