import Bloom
import MockServing
import PetalsNode
import PlumiseTesting
import TestSupport
import Testing

@Suite("Recovery from nodes that fail while steps go from one to the next", .timeLimit(.minutes(5)))
struct HandOverRecoveryTests {
  let model: TinyModel
  let expected: [Int32]

  init() throws {
    model = try TinyModel()
    expected = try model.ids("case2.generated_ids")
  }

  /// Two nodes for each third.
  private static let twice = [0..<8, 8..<16, 16..<24, 0..<8, 8..<16, 16..<24]

  private var request: PipelineRequest {
    get throws {
      try PipelineRequest(promptIDs: model.ids("case2.input_ids"), maxNewTokens: expected.count)
    }
  }

  /// How a node goes.
  enum End: CaseIterable, Sendable {
    case cut
    case reset
    case stopped
  }

  @Test(
    "A node that goes is replaced, and the steps go straight on over the new one",
    arguments: End.allCases, [-1, 0, 5, 10])
  func replaced(end: End, token: Int) async throws {
    for hop in 0..<3 {
      try await withMembers(Self.twice) { nodes, links, client in
        func go(_ peer: String) async {
          guard let index = links.firstIndex(where: { $0.peer.description == peer }) else { return }
          switch end {
          case .cut: await links[index].cut()
          case .reset: await links[index].reset()
          case .stopped: nodes[index].stop()
          }
        }
        let stream = try client.generate(request)
        var ids: [Int32] = []
        if token < 0 { await go(client.route.hops[hop].peer) }
        for try await made in stream {
          ids.append(made.id)
          guard made.index == token else { continue }
          await go(try #require(await stream.route).hops[hop].peer)
        }
        #expect(ids == expected, "hop \(hop)")
        #expect(client.heldBytes == 0)
        // Two nodes of the way take each step from the one before, but for the pass of the recovery.
        let taken = nodes.map(\.handOverUsage.taken).reduce(0, +)
        #expect(taken >= 2 * (expected.count - 1), "hop \(hop)")
      }
    }
  }

  @Test(
    "A node that has computed what its predecessor did not live to answer is told where to begin",
    arguments: [0, 4], [0, 1 << 28])
  func aheadOfTheClient(token: Int, replayBudget: Int) async throws {
    let steps = Journal<SessionActivity>()
    try await withMembers(
      Self.twice, recovery: RecoveryPolicy(replayBudget: replayBudget),
      configure: { configuration in
        guard configuration.blocks.lowerBound == 16 else { return }
        configuration.onActivity = { if case .step = $0.kind { steps.record($0) } }
      }
    ) { _, links, client in
      let stream = try client.generate(request)
      var iterator = stream.makeAsyncIterator()
      var ids: [Int32] = []
      for _ in 0...token { ids.append(try #require(try await iterator.next()).id) }
      let peer = try #require(await stream.route).hops[1].peer
      let link = try #require(links.first { $0.peer.description == peer })
      let computed = steps.count
      // The node in the middle computes and hands on, and nobody hears of it.
      link.hold(.toClient)
      let rest = Task {
        var rest: [Int32] = []
        for try await token in stream { rest.append(token.id) }
        return rest
      }
      _ = try await steps.next(after: computed)
      await link.cut()
      ids += try await rest.value
      #expect(ids == expected)
      let used = try await stream.collect().route.hops.map(\.peer)
      #expect(!used.contains(peer))
      // It computed that step once more in the same place, and all others once.
      let prompt = try model.ids("case2.input_ids").count
      var positions = (0..<expected.count).map { prompt + $0 }
      positions.insert(positions[token + 1], at: token + 1)
      let computedAt = steps.entries.map { activity in
        if case .step(_, let position, _) = activity.kind { position } else { 0 }
      }
      #expect(computedAt == positions)
    }
  }

  @Test("A node that acknowledges nothing is sent the steps by the client, and takes each once")
  func unacknowledged() async throws {
    let clock = ManualClock()
    var first = NodeConfiguration(checkpoint: model.checkpoint, blocks: try model.blocks(0..<12))
    first.handsOn = true
    let steps = Journal<SessionActivity>()
    try await withPetalsNode(first, clock: clock) { first in
      try await withNodes(of: model, serving: [12..<24]) { configuration in
        handingOn(&configuration)
        configuration.onActivity = { if case .step = $0.kind { steps.record($0) } }
      } _: { others in
        try await withFaultyLink(to: others[0].boundAddress) { link in
          let peers = [try first.boundAddress, link.peer]
          try await withPipelineClient(model.ends, peers: peers) { client in
            try await unacknowledged(client, behind: link, steps, clock)
          }
          #expect(others[0].batches == expected.count + 1)
          #expect(others[0].handOverUsage.taken == 2)
          #expect(first.handOverUsage.notHandedOn == expected.count - 1)
        }
      }
    }
  }

  private func unacknowledged(
    _ client: PipelineClient, behind link: FaultyLink, _ steps: Journal<SessionActivity>,
    _ clock: ManualClock
  ) async throws {
    let stream = try client.generate(request)
    var iterator = stream.makeAsyncIterator()
    var ids = [try #require(try await iterator.next()).id]
    // Its word reaches nobody for longer than a delivery may take.
    link.hold(.toClient)
    let rest = Task {
      var rest: [Int32] = []
      for try await token in stream { rest.append(token.id) }
      return rest
    }
    // Behind the prompt, the step that was handed on, and then the same from the client.
    try await steps.wait(forCount: 2)
    clock.advance(by: .seconds(1))
    try await steps.wait(forCount: 3)
    link.release()
    ids += try await rest.value
    #expect(ids == expected)
  }

  private func withMembers(
    _ ranges: [Range<Int>], recovery: RecoveryPolicy = RecoveryPolicy(),
    configure: (inout NodeConfiguration) -> Void = { _ in },
    _ body: ([PetalsNode], [FaultyLink], PipelineClient) async throws -> Void
  ) async throws {
    try await withNodes(of: model, serving: ranges) { configuration in
      handingOn(&configuration)
      configure(&configuration)
    } _: { nodes in
      try await withLinks(to: nodes[...], []) { links in
        try await withPipelineClient(
          model.ends, peers: links.map(\.peer), recovery: recovery
        ) { try await body(nodes, links, $0) }
      }
    }
  }

  private func withLinks(
    to nodes: ArraySlice<PetalsNode>, _ links: [FaultyLink],
    _ body: ([FaultyLink]) async throws -> Void
  ) async throws {
    guard let node = nodes.first else { return try await body(links) }
    try await withFaultyLink(to: node.boundAddress) { link in
      try await withLinks(to: nodes.dropFirst(), links + [link], body)
    }
  }
}
