import Bloom
import EthereumPrimitives
import InferenceMetrics
import Logging
import MockOracle
import OracleReporter
import PetalsNode
import PlumiseTesting
import Synchronization
import TestVectors
import Testing

/// Mirrors the reference suite `test_multi_node_pipeline.py`.
@Suite("A pipeline of nodes", .timeLimit(.minutes(5)))
struct MultiNodePipelineTests {
  static let prompt = "Explain quantum computing"

  @Test("Node A serves blocks 0-11 and node B blocks 12-23, where it was told to")
  func nodeInitialization() throws {
    let model = try TinyModel.clientModel().checkpoint
    let documented = [("0-11", 31330), ("12-23", 31331)]
    let nodes = try documented.map { blocks, port in
      PetalsNode(
        NodeConfiguration(
          checkpoint: model, blocks: try BlockRange(parsing: blocks, of: 24),
          grpc: .init(port: port)))
    }
    // What a node says of itself to everyone that asks, not what it was told.
    #expect(nodes.map(\.info.blocks.description) == ["0-11", "12-23"])
    #expect(nodes.map(\.configuration.grpc.port) == [31330, 31331])
    #expect(nodes.allSatisfy { $0.configuration.grpc.host == "127.0.0.1" })
    #expect(nodes.allSatisfy { $0.phase == .idle && $0.address == nil })
  }

  @Test("Nodes are ready once a pass went through, and leave nothing behind when they stop")
  func bothNodesStartAndStop() async throws {
    let model = try TinyModel.clientModel().checkpoint
    let events = Mutex<[NodeEvent]>([])
    for blocks in try BlockRange.split(blockCount: 24, into: 2) {
      let node = try await withPetalsNode(
        NodeConfiguration(checkpoint: model, blocks: blocks),
        onEvent: { event in events.withLock { $0.append(event) } }
      ) { node in
        #expect(node.phase == .ready)
        // The pass that made it ready was no inference: nothing is counted.
        #expect(node.metrics.snapshot.totalRequests == 0)
        return node
      }
      let address = try #require(node.address)
      #expect(node.phase == .stopped)
      #expect(events.withLock { $0 } == [.listening(address), .ready, .stopped])
      events.withLock { $0 = [] }
      // Nothing of it answers any more.
      await #expect(throws: RouteError.self) {
        try await withPipelineClient(try TinyModel.clientModel(), peers: [address]) { _ in }
      }
    }
  }

  @Test("A node whose first pass fails is never ready")
  func firstPassFails() async throws {
    let broken = try BrokenModel()
    defer { broken.remove() }
    let events = Mutex<[NodeEvent]>([])
    await #expect {
      try await withPetalsNode(
        NodeConfiguration(checkpoint: broken.checkpoint),
        onEvent: { event in events.withLock { $0.append(event) } }
      ) { _ in Issue.record("it became ready") }
    } throws: { error in
      if case .selfTestFailed = error as? NodeStartError { true } else { false }
    }
    #expect(events.withLock { !$0.contains(.ready) && $0.last == .stopped })
  }

  @Test("Node A alone serves its own blocks, and says what it cannot do", .petalsNetwork)
  func singleNodeInference() async throws {
    let network = try PetalsNetwork.current
    let first = try #require(network.nodes.first)
    let blocks = first.node.configuration.blocks
    let steps = try fiftyTokens(hidden: network.plan.model.checkpoint.configuration.hiddenSize)
    try await withGRPCTransports([first.peer]) { transports in
      let transport = try #require(transports.first)
      let session = try await transport.openSession(
        SessionOpening(id: "fifty", fingerprint: nil, blocks: blocks, maximumLength: 64))
      var answers: [StepResult] = []
      for step in steps { answers.append(try await session.step(step)) }
      #expect(answers.map(\.position) == Array(1...50))
      // Its blocks were computed, with every token before: the same arithmetic gives the same bits.
      let shard = try Shard(network.plan.model.checkpoint, blocks: blocks)
      let cache = shard.makeCache(maximumLength: 64)
      for (step, answer) in zip(steps, answers) {
        let expected = try await shard.forward(step, cache: cache)
        #expect(answer.hidden == expected, "the step to position \(answer.position)")
      }
      #expect(first.node.info.cache.sessions == 1)
      let processed = try await session.finish(
        SessionSummary(generatedTokens: 50, latency: .milliseconds(100)))
      #expect(processed == 50)
    }
    #expect(first.metrics.snapshot.totalTokens == 50)
    #expect(first.metrics.snapshot.totalRequests == 1)
    #expect(first.metrics.snapshot.averageLatencyMilliseconds == 100)
    #expect(first.node.info.cache.usedBytes == 0)

    // Alone it cannot serve the whole model, and says which blocks are missing.
    let whole = try TinyModel.clientModel()
    await #expect(
      throws: RouteError.gap(missing: 12..<24, total: 24, peers: ["\(first.peer) (0-11)"])
    ) {
      try await withPipelineClient(whole, peers: [first.peer]) { _ in }
    }
  }

  @Test("A hundred tokens through A and B are those of a single node", .petalsNetwork)
  func distributedInferenceBothNodes() async throws {
    let network = try PetalsNetwork.current
    let result = try await network.generate(Self.prompt, maxNewTokens: 100)
    let alone = try await network.generateLocally(Self.prompt, maxNewTokens: 100)
    #expect(result.generatedIDs == alone)
    #expect(alone.count == 100)
    #expect(result.route.hops.map(\.peer) == network.peers.map(\.description))
    for node in network.nodes {
      #expect(node.metrics.snapshot.totalTokens == Int64(alone.count))
      #expect(node.metrics.snapshot.totalRequests == 1)
      #expect(node.metrics.proofs.pending.map(\.agent) == [node.address])
    }
  }

  @Test("Sessions at the same time do not mix their caches", .petalsNetwork)
  func concurrentInferenceRequests() async throws {
    let network = try PetalsNetwork.current
    let prompts = (0..<20).map { "Prompt \($0) of twenty" }
    let together = try await withThrowingTaskGroup(of: [Int: [Int32]].self) { group in
      // Two clients with ten sessions each.
      for half in [0..<10, 10..<20] {
        group.addTask {
          try await network.withClient { client in
            try await Self.generateAll(prompts, half, through: client, of: network)
          }
        }
      }
      var found: [Int: [Int32]] = [:]
      for try await results in group { found.merge(results) { first, _ in first } }
      return found
    }
    #expect(together.count == 20)
    var alone = 0
    for (index, prompt) in prompts.enumerated() {
      let ids = try await network.generateLocally(prompt, maxNewTokens: 12)
      #expect(together[index] == ids)
      alone += ids.count
    }
    for node in network.nodes {
      #expect(node.metrics.snapshot.totalRequests == 20)
      #expect(node.metrics.snapshot.totalTokens == Int64(alone))
      #expect(node.node.info.cache.usedBytes == 0)
    }
  }

  @Test("Both nodes report: two agents, two signatures, two rows", .petalsNetwork)
  func bothNodesReportToOracle() async throws {
    let network = try PetalsNetwork.current
    for node in network.nodes {
      try await node.register()
      try await node.reporter.start()
    }
    let tokens = try await network.generate(Self.prompt, maxNewTokens: 8).generatedIDs.count
    try await network.clock.waitForSleepers(2)
    network.clock.advance(by: network.plan.reportInterval)
    let reports = try await network.oracle.waitForReports(2)
    #expect(Set(reports.map(\.agent)) == Set(network.nodes.map(\.address)))
    #expect(Set(reports.map(\.signature)).count == 2)
    #expect(network.oracle.agents.map(\.processedTokens) == [Int64(tokens), Int64(tokens)])
  }

  @Test("The split of the documented network is disjoint and complete")
  func nodeLayerDistributionNoOverlap() throws {
    let split = try BlockRange.split(blockCount: 24, into: 2)
    #expect(split.map(\.description) == ["0-11", "12-23"])
    #expect(Set(split[0].indices).isDisjoint(with: split[1].indices))
    #expect(split.flatMap(\.indices) == Array(0..<24))
    try BlockRange.validateCoverage(split)
  }

  @Test(
    "A split with a gap or an overlap is refused by name",
    arguments: [
      (["0-10", "12-23"], BlockRangeError.gap(missing: 11..<12)),
      (["0-11", "12-22"], .gap(missing: 23..<24)),
      (["1-11", "12-23"], .gap(missing: 0..<1)),
      (["0-12", "12-23"], .overlap("12-23", alreadyCovered: 13)),
    ])
  func wrongSplit(ranges: [String], expected: BlockRangeError) throws {
    let ranges = try ranges.map { try BlockRange(parsing: $0, of: 24) }
    #expect(throws: expected) { try BlockRange.validateCoverage(ranges) }
  }

  @Test(
    "A range that is no range of the model is refused by name",
    arguments: [
      ("11-0", BlockRangeError.reversed("11-0")),
      ("12-24", .outsideModel("12-24", blockCount: 24)),
      ("twelve", .malformed("twelve")),
    ])
  func wrongRange(text: String, expected: BlockRangeError) {
    #expect(throws: expected) { try BlockRange(parsing: text, of: 24) }
  }

  @Test("Every cut point gives the same tokens", arguments: 1...23)
  func everyCutPoint(cut: Int) async throws {
    let golden = try GoldenGeneration(.tinyF16, number: 2)
    let blocks = [try BlockRange(0..<cut, of: 24), try BlockRange(cut..<24, of: 24)]
    try await withPetalsNetwork(NetworkPlan(blocks: blocks, model: golden.model)) { network in
      let result = try await network.generate(golden.prompt, maxNewTokens: golden.generated.count)
      #expect(result.generatedIDs == golden.generated)
    }
  }

  @Test("Any number of nodes gives the same tokens", arguments: [1, 2, 3, 4, 24])
  func anyNumberOfNodes(nodes: Int) async throws {
    let golden = try GoldenGeneration(.tinyF16, number: 3)
    try await withPetalsNetwork(golden.plan(nodes: nodes)) { network in
      let result = try await network.generate(golden.prompt, maxNewTokens: golden.generated.count)
      #expect(result.generatedIDs == golden.generated)
      #expect(result.route.hops.count == nodes)
    }
  }

  /// Hidden states of fifty tokens, no two alike.
  private func fiftyTokens(hidden: Int) throws -> [HiddenStates] {
    try (0..<50).map { token in
      try HiddenStates(
        tokens: 1, hidden: hidden, values: (0..<hidden).map { Float(($0 + 3 * token) % 101) / 101 })
    }
  }

  private static func generateAll(
    _ prompts: [String], _ indices: Range<Int>, through client: PipelineClient,
    of network: PetalsNetwork
  ) async throws -> [Int: [Int32]] {
    let tokenizer = try #require(network.plan.model.tokenizer)
    return try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
      for index in indices {
        group.addTask {
          let request = try PipelineRequest(
            promptIDs: tokenizer.encode(prompts[index]), prompt: prompts[index],
            maxNewTokens: 12)
          return (index, try await client.generate(request).collect().generatedIDs)
        }
      }
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
  }
}
