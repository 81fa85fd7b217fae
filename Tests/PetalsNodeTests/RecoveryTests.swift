import Bloom
import PetalsNode
import PlumiseTesting
import Testing

@Suite("Recovery from nodes that fail", .timeLimit(.minutes(5)))
struct RecoveryTests {
  let model: TinyModel
  let expected: [Int32]

  init() throws {
    model = try TinyModel()
    expected = try model.ids("case2.generated_ids")
  }

  /// Two nodes for each half.
  private static let twice = [0..<12, 12..<24, 0..<12, 12..<24]

  private var request: PipelineRequest {
    get throws {
      try PipelineRequest(
        promptIDs: model.ids("case2.input_ids"), maxNewTokens: expected.count)
    }
  }

  @Test(
    "A node that dies between any two tokens is replaced: same tokens, each counted once",
    arguments: -1..<11)
  func replaced(token: Int) async throws {
    try await withNodes(of: model, serving: Self.twice) { nodes in
      for hop in [0, 1] {
        let before = nodes.map(\.metrics.snapshot)
        // The links are new each time, so that the nodes behind them can serve again.
        try await withMembers(nodes) { members, client in
          let used = try await generate(client, killing: hop, after: token) { peer in
            await members.first { $0.name == peer }?.link.cut()
          }
          for (member, before) in zip(members, before) {
            try await member.node.waitUntilIdle()
            let metrics = member.node.metrics.snapshot
            let isUsed = used.contains(member.name)
            #expect(
              metrics.totalTokens - before.totalTokens == (isUsed ? Int64(expected.count) : 0))
            #expect(metrics.totalRequests - before.totalRequests == (isUsed ? 1 : 0))
          }
        }
      }
    }
  }

  @Test("A node that says it stops is replaced", arguments: [-1, 0, 10], [0, 1])
  func stopped(token: Int, hop: Int) async throws {
    let ranges = [0..<12, 12..<24] + (hop == 0 ? [0..<12] : [12..<24])
    try await withReplicas(ranges: ranges) { members, client in
      _ = try await generate(client, killing: hop, after: token) { peer in
        members.first { $0.name == peer }?.node.stop()
      }
    }
  }

  /// Generates while the node at one hop dies between two tokens.
  ///
  /// - Returns: The nodes of the way at the end.
  private func generate(
    _ client: PipelineClient, killing hop: Int, after token: Int, _ kill: (String) async -> Void
  ) async throws -> [String] {
    let stream = try client.generate(request)
    var ids: [Int32] = []
    var killed = client.route.hops[hop].peer
    if token < 0 { await kill(killed) }
    for try await made in stream {
      ids.append(made.id)
      guard made.index == token else { continue }
      killed = try #require(await stream.route).hops[hop].peer
      await kill(killed)
    }
    #expect(ids == expected, "hop \(hop)")
    #expect(client.heldBytes == 0)
    let used = try await stream.collect().route.hops.map(\.peer)
    #expect(!used.contains(killed))
    return used
  }

  @Test(
    "A node that accepts and never answers is replaced when its time is up",
    arguments: [-1, 5], [0, 1])
  func silent(token: Int, hop: Int) async throws {
    let clock = ManualClock()
    let limits = TransportLimits(connect: .seconds(7), step: .seconds(7))
    try await withReplicas(limits: limits, clock: clock) { members, client in
      let stream = try client.generate(request)
      var iterator = stream.makeAsyncIterator()
      var ids: [Int32] = []
      for _ in 0...token + 1 where ids.count <= token {
        ids.append(try #require(try await iterator.next()).id)
      }
      let peer = await stream.route?.hops[hop].peer ?? client.route.hops[hop].peer
      let member = try #require(members.first { $0.name == peer })
      member.link.hold()
      let rest = Task {
        var rest: [Int32] = []
        for try await token in stream { rest.append(token.id) }
        return rest
      }
      try await member.link.waitUntilHolding()
      clock.advance(by: .seconds(7))
      ids += try await rest.value
      #expect(ids == expected)
      let used = try await stream.collect().route.hops.map(\.peer)
      #expect(!used.contains(peer))
    }
  }

  @Test(
    "A client that may keep nothing has the nodes before say it again",
    arguments: [0, 1, 2])
  func withoutLogs(hop: Int) async throws {
    let ranges = [0..<8, 8..<16, 16..<24, 0..<8, 8..<16, 16..<24]
    try await withReplicas(
      ranges: ranges, recovery: RecoveryPolicy(replayBudget: 0)
    ) { members, client in
      let stream = try client.generate(request)
      var ids: [Int32] = []
      for try await made in stream {
        ids.append(made.id)
        #expect(client.heldBytes == 0)
        if made.index == 4 || made.index == 7 {
          let route = try #require(await stream.route)
          // At token 7 another one falls, so that a node that was told again is told once more.
          let peer = route.hops[made.index == 4 ? hop : (hop + 1) % 3].peer
          try await cut(peer, of: members)
        }
      }
      #expect(ids == expected)
    }
  }

  @Test("What nodes were sent is accounted for while a generation runs")
  func accounting() async throws {
    try await withReplicas(ranges: [0..<12, 12..<24]) { _, client in
      let stream = try client.generate(request)
      var iterator = stream.makeAsyncIterator()
      _ = try await iterator.next()
      // Prompt and new tokens but the last, 64 numbers of 4 bytes each, for the second node.
      let tokens = try model.ids("case2.input_ids").count + expected.count - 1
      #expect(client.heldBytes == tokens * 64 * 4)
      _ = try await stream.collect()
      #expect(client.heldBytes == 0)
    }
  }

  @Test("One that takes another's place may fail, too")
  func replacementFails() async throws {
    let ranges = [0..<12, 12..<24, 12..<24, 12..<24]
    try await withReplicas(ranges: ranges) { members, client in
      let stream = try client.generate(request)
      var ids: [Int32] = []
      var gone: Set<String> = []
      for try await made in stream {
        ids.append(made.id)
        if made.index == 2 || made.index == 3 {
          let peer = try #require(await stream.route).hops[1].peer
          gone.insert(peer)
          try await cut(peer, of: members)
        }
      }
      #expect(ids == expected)
      #expect(gone.count == 2)
      let last = try await stream.collect().route.hops[1].peer
      #expect(!gone.contains(last))
    }
  }

  @Test("Nodes with other ranges take over, together or in part")
  func otherRanges() async throws {
    try await withReplicas(ranges: [0..<24, 0..<9, 5..<17, 15..<24]) { members, client in
      let stream = try client.generate(request)
      var ids: [Int32] = []
      for try await made in stream {
        ids.append(made.id)
        guard made.index == 5 else { continue }
        // Either the one that serves all, or the first of the three.
        let peer = try #require(await stream.route).hops[0].peer
        try await cut(peer, of: members)
      }
      #expect(ids == expected)
      let hops = try await stream.collect().route.hops
      try BlockRange.validateCoverage(hops.map(\.blocks))
    }
  }

  // MARK: - Fixtures

  struct Member: Sendable {
    let node: PetalsNode
    let link: FaultyLink
    var name: String { link.peer.description }
  }

  private func withReplicas(
    ranges: [Range<Int>] = twice,
    limits: TransportLimits = TransportLimits(), recovery: RecoveryPolicy = RecoveryPolicy(),
    clock: any Clock<Duration> = ContinuousClock(),
    _ body: ([Member], PipelineClient) async throws -> Void
  ) async throws {
    try await withNodes(of: model, serving: ranges) { nodes in
      try await withMembers(nodes, limits: limits, recovery: recovery, clock: clock, body)
    }
  }

  private func withMembers(
    _ nodes: [PetalsNode], limits: TransportLimits = TransportLimits(),
    recovery: RecoveryPolicy = RecoveryPolicy(), clock: any Clock<Duration> = ContinuousClock(),
    _ body: ([Member], PipelineClient) async throws -> Void
  ) async throws {
    try await withLinks(to: nodes[...], []) { members in
      try await withPipelineClient(
        model.ends, peers: members.map(\.link.peer), limits: limits, recovery: recovery,
        clock: clock
      ) { try await body(members, $0) }
    }
  }

  private func withLinks(
    to nodes: ArraySlice<PetalsNode>, _ members: [Member], _ body: ([Member]) async throws -> Void
  ) async throws {
    guard let node = nodes.first else { return try await body(members) }
    try await withFaultyLink(to: node.boundAddress) { link in
      try await withLinks(
        to: nodes.dropFirst(), members + [Member(node: node, link: link)], body)
    }
  }

  private func cut(_ peer: String, of members: [Member]) async throws {
    try await #require(members.first { $0.name == peer }).link.cut()
  }
}
