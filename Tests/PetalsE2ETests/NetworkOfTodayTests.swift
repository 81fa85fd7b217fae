import MockServing
import OracleReporter
import PetalsNode
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

/// The network as it runs today, over sockets and on the network's time: a prompt to the gateway goes
/// through agents, their reports to the oracle, and its contributions to the chain, which pays.
@Suite("The network of today", .timeLimit(.minutes(5))) struct NetworkOfTodayTests {
  /// Asks the gateway to continue a text.
  private func chat(_ network: PetalsNetwork, tokens: Int) async throws -> FetchedAnswer {
    let url = try #require(network.gatewayAddress).url
    return try await fetch(
      url + "/v1/chat/completions",
      json: [
        "model": .string(network.plan.pipelineModel), "max_tokens": .integer(tokens),
        "temperature": 0, "messages": [["role": "user", "content": "Explain quantum computing"]],
      ])
  }

  @Test(
    "A prompt runs through gateway and agents, is reported, and its reward reaches them",
    .network(
      nodes: .split(at: 8), oracle: .deployed, agents: .newest, gateway: true,
      configure: { $0.chain.mining = .every(PlumiseNetwork.blockInterval) }))
  func wholeFlow() async throws {
    let network = try PetalsNetwork.current
    let (first, last) = (network.nodes[0], network.nodes[1])
    for node in network.nodes { #expect(network.chain.isRegistered(node.address)) }
    let topology = network.oracle.topology(of: network.plan.pipelineModel)
    #expect(topology.map(\.layerStart) == [0, 8] && topology.map(\.layerEnd) == [8, 24])
    #expect(topology.allSatisfy { $0.ready })

    // Gateway, first agent, last agent, and back.
    let answer = try await chat(network, tokens: 8)
    #expect(answer.status == 200, "\(answer.text)")
    let count = try #require(try answer.json["usage"]?["completion_tokens"]?.integerValue)
    #expect((1...8).contains(count))
    let entry = try #require(network.gateway?.journal.entries.last)
    #expect(entry.attempts.map(\.address) == [first.address])
    #expect(entry.attempts.map(\.mode) == [.pipeline])
    for node in network.nodes { #expect(node.metrics.snapshot.totalRequests > 0) }

    // Blocks come every three seconds; reports, heartbeats, contributions, distribution and claims at
    // their intervals.
    try await network.time.advance(by: .seconds(3600))
    let record = try network.oracle.record(of: first.address)
    #expect(record.processedTokens == count)
    try await network.time.advance(by: .seconds(5 * 3600))

    let outcomes = network.oracle.chainOperations?.entries ?? []
    for operation in [ChainOperation.heartbeats, .contributions, .distribution, .claims] {
      #expect(outcomes.contains { $0.operation == operation }, "\(operation)")
    }
    for node in [first, last] {
      // The oracle did all of it: the agent never sent a transaction.
      #expect(network.chain.agent(node.address)?.status == .active)
      #expect(network.chain.nonce(of: node.address) == 0)
      #expect(network.chain.balance(of: node.address) > .zero)
    }
  }

  @Test(
    "51: where the contracts have records of their own, nothing is paid",
    arguments: [ChainProfile.testnet2026, .mainnet2026])
  func nothingPaid(chain: ChainProfile) async throws {
    var plan = try NetworkPlan(
      nodes: 1, oracle: .deployed(.faithful), agents: .newest, chain: chain)
    plan.chain.mining = .every(PlumiseNetwork.blockInterval)
    try await withPetalsNetwork(plan) { network in
      let node = network.nodes[0]
      try await network.time.advance(by: .seconds(4 * 3600))
      #expect(try network.oracle.record(of: node.address).reportCount > 200)
      let outcomes = network.oracle.chainOperations?.entries ?? []
      let reports = outcomes.filter { $0.contribution != nil }
      #expect(!reports.isEmpty)
      #expect(reports.allSatisfy { "\($0.result)".contains("Agent not registered") })
      #expect(network.chain.balance(of: node.address) == .zero)
    }
  }

  @Test("Faithful agents under a faithful oracle serve a gateway, over links that a test can cut")
  func faithful() async throws {
    try await withNetwork(
      nodes: 2, oracle: .deployed(.faithful), agents: .newest(.faithful), gateway: true,
      links: .faulty
    ) { network in
      #expect(try await chat(network, tokens: 2).status == 200)
      try await #require(network.nodes[1].link).cut()
      let failed = try await chat(network, tokens: 2)
      #expect(failed.status == 503, "\(failed.text)")
      #expect(network.gateway?.journal.entries.last?.attempts.count == 1)
    }
  }

  @Test("A part that needs another kind beside it is refused with what to declare")
  func partsThatDoNotGoTogether() async throws {
    let wrong: [(NetworkPlan, String)] = [
      (try NetworkPlan(nodes: 2, agents: .newest), "oracle: .deployed"),
      (try NetworkPlan(nodes: 2, oracle: .deployed, gateway: true), "agents: .newest"),
    ]
    for (plan, advice) in wrong {
      let error = await #expect(throws: NetworkPlanError.self) {
        try await withPetalsNetwork(plan) { _ in }
      }
      #expect("\(error, default: "nothing")".contains(advice))
    }
    for cuts in [[0], [24], [8, 4], [30]] {
      let error = #expect(throws: NetworkPlanError.self) {
        try NetworkPlan(nodes: cuts.count == 1 ? .split(at: cuts[0]) : .split(at: cuts[0], cuts[1]))
      }
      #expect(error == .cuts(cuts, blocks: 24))
    }
  }

  @Test("An agent that registers twice in a second is taken in the next one")
  func restartedWithinASecond() async throws {
    try await withNetwork(nodes: 1, oracle: .deployed, agents: .newest) { network in
      let node = network.nodes[0]
      let oracle = PipelineOracle(
        url: try OracleURL(network.oracleAddress.url), model: network.plan.pipelineModel,
        key: node.key, clock: network.clock, unixClock: network.time.unixClock)
      let before = network.clock.now
      let httpURL = try #require(node.httpURL)
      let layers = try await network.time.run {
        try await oracle.join(
          grpcEndpoint: "http://\(node.peer)", httpEndpoint: httpURL, ramMegabytes: 1024)
      }
      #expect(layers.layerEnd == 24)
      #expect(before.duration(to: network.clock.now) <= .seconds(1))
      #expect(network.clock.now > before)
    }
  }
}
