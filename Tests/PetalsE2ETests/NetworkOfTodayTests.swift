import EthereumClient
import EthereumPrimitives
import MockOracle
import MockServing
import MockWeb3
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

  /// What the pool has of an agent in one epoch, and its score by the pool's weights: 40 a token, 25 a task,
  /// 20 a second, 15 a point of latency.
  private func contribution(
    of agent: Address, to epoch: UInt64, _ network: PetalsNetwork
  ) async throws -> (uptimeSeconds: Word, processedTokens: Word, score: Word) {
    let answer = try await EthereumClient(url: network.chainAddress.url).call(
      to: PlumiseNetwork.Contract.rewardPool,
      data: ABI.call(
        "getEpochContribution(uint256,address)", [.uint(Word(epoch)), .address(agent)]))
    var words: [Word] = []
    for start in stride(from: 0, to: answer.count, by: 32) {
      words.append(try Word(bigEndian: answer[start..<(start + 32)]))
    }
    try #require(words.count == 6)
    let (tasks, uptime, tokens, latency) = (words[0], words[1], words[4], words[5])
    return (uptime, tokens, tokens * 40 + tasks * 25 + uptime * 20 + latency * 15)
  }

  @Test(
    "A prompt's tokens are reported, contributed, and rewarded on the chain as the pool shares out",
    .network(
      nodes: .split(at: 8), oracle: .deployed, agents: .newest, gateway: .fixed,
      configure: {
        $0.chain.mining = .every(PlumiseNetwork.blockInterval)
        $0.reportInterval = .seconds(30)
      }))
  func wholeFlow() async throws {
    let network = try PetalsNetwork.current
    let (first, last) = (network.nodes[0], network.nodes[1])
    for node in network.nodes { #expect(network.chain.isRegistered(node.address)) }
    let topology = network.oracle.topology(of: network.plan.pipelineModel)
    #expect(topology.map(\.layerStart) == [0, 8] && topology.map(\.layerEnd) == [8, 24])
    #expect(topology.allSatisfy { $0.ready })

    // Blocks come every three seconds. The oracle looks for contributions each minute and makes them
    // every 1200 blocks, of what the present epoch has so far: a minute after its beginning. The rewards
    // of the first epoch that it sees to its end are the second's.
    try await network.time.advance(by: .seconds(2 * 3600 + 2))
    #expect(network.chain.epoch == 2)
    let answer = try await chat(network, tokens: 8)
    #expect(answer.status == 200, "\(answer.text)")
    let count = try #require(try answer.json["usage"]?["completion_tokens"]?.integerValue)
    #expect((1...8).contains(count))
    let entry = try #require(network.gateway?.journal.entries.last)
    #expect(entry.attempts.map(\.address) == [first.address])
    #expect(entry.attempts.map(\.mode) == [.pipeline])

    // The first agent counts the tokens that it answered with, the last one those that it chose.
    try await network.time.advance(by: .seconds(200))
    var scores: [Word] = []
    for node in [first, last] {
      #expect(try network.oracle.record(of: node.address).processedTokens == count)
      let made = try #require(
        network.oracle.chainOperations?.entries.last {
          $0.contribution != nil && $0.agent == node.address
        })
      guard case .mined(_, succeeded: true) = made.result else {
        Issue.record("\(made)")
        continue
      }
      // The oracle's row has the tokens; of the contribution on the chain they are no part.
      let row = await network.oracle.get("/api/agents/\(node.address)").body?["contributions"]?[0]
      #expect(made.epoch == 2 && row?["epoch"] == 2)
      #expect(row?["processedTokens"] == .string("\(count)"))
      let stored = try await contribution(of: node.address, to: 2, network)
      #expect(stored.uptimeSeconds == made.contribution?.uptimeSeconds)
      #expect(stored.uptimeSeconds > 7000 && stored.processedTokens == .zero)
      scores.append(stored.score)
    }

    // The pool shares out the epoch's reward by those contributions, and nothing else was shared out.
    // Shares are rounded down, but for the agent's that was the last to have a contribution in the epoch.
    try await network.time.advance(by: .seconds(3600))
    let epoch = await network.oracle.get("/api/epochs/2").body
    #expect(epoch?["distributed"] == true)
    let reward = try Word(decimal: #require(epoch?["reward"]?.stringValue))
    let shares = scores.map { reward * $0 / (scores[0] + scores[1]) }
    let owed = [first, last].map {
      network.chain.pendingReward(of: $0.address) + network.chain.balance(of: $0.address)
    }
    #expect(shares.allSatisfy { !$0.isZero })
    #expect(
      owed == [shares[0], reward - shares[0]] || owed == [reward - shares[1], shares[1]],
      "of \(reward) by \(scores)")

    // The oracle claims it within the hour. It did all of it: the agents never sent a transaction.
    try await network.time.advance(by: .seconds(3600))
    for (node, share) in zip([first, last], owed) {
      #expect(network.chain.balance(of: node.address) >= share)
      #expect(network.chain.agent(node.address)?.status == .active)
      #expect(network.chain.nonce(of: node.address) == 0)
    }
    let outcomes = network.oracle.chainOperations?.entries ?? []
    for operation in [ChainOperation.heartbeats, .contributions, .distribution, .claims] {
      #expect(outcomes.contains { $0.operation == operation }, "\(operation)")
    }
  }

  @Test("A gateway with a key posts what it was asked for; one that refuses loopback finds no node")
  func gatewaySettings() async throws {
    try await withNetwork(
      nodes: 1, oracle: .deployed, agents: .newest, gateway: .gateway(apiKey: "secret")
    ) { network in
      #expect(try await chat(network, tokens: 2).status == 200)
      await network.gateway?.postMetrics()
      let post = try #require(network.gateway?.posts.entries.last)
      #expect(post.failure == nil && post.address == network.nodes[0].address)
      #expect(
        try network.oracle.record(of: post.address).processedTokens == post.processedTokens)
    }
    try await withNetwork(
      nodes: 1, oracle: .deployed, agents: .newest, gateway: .gateway(refusesLoopback: true)
    ) { network async throws in
      #expect(network.gateway?.nodes.isEmpty == true)
      #expect(try await chat(network, tokens: 2).status == 503)
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
      for report in reports { #expect("\(report)".contains("Agent not registered")) }
      #expect(network.chain.balance(of: node.address) == .zero)
    }
  }

  @Test("Faithful agents under a faithful oracle serve a gateway, over links that a test can cut")
  func faithful() async throws {
    try await withNetwork(
      nodes: 2, oracle: .deployed(.faithful), agents: .newest(.faithful), gateway: .faithful,
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
      (try NetworkPlan(nodes: 2, oracle: .deployed, gateway: .fixed), "agents: .newest"),
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
