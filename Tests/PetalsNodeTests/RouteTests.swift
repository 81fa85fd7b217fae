import AsyncPrimitives
import Bloom
import PetalsNode
import TestVectors
import Testing

@Suite("Routes", .timeLimit(.minutes(5)))
struct RouteTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  private func peer(
    _ name: String, _ blocks: Range<Int>, of layers: Int = 24, fingerprint: String? = nil,
    hidden: Int = 64, ready: Bool = true, step: Duration? = nil
  ) throws -> StatedPeer {
    StatedPeer(
      peer: name,
      stated: PeerInfo(
        modelName: "tiny", fingerprint: fingerprint ?? model.checkpoint.fingerprint,
        blocks: try BlockRange(blocks, of: layers), hiddenSize: hidden, isReady: ready, agent: nil,
        uptime: .zero,
        cache: CacheUsage(usedBytes: 0, budgetBytes: 1, sessions: 0, bytesPerToken: 1),
        maximumLength: 2048, blockStep: step))
  }

  private func route(_ peers: [StatedPeer]) async throws -> Route {
    try await withPipelineClient(model.ends, transports: peers) { $0.route }
  }

  @Test("Peers in any order make a route in the order of the blocks")
  func order() async throws {
    let route = try await route([
      peer("c:3", 20..<24), peer("a:1", 0..<12), peer("b:2", 12..<20),
    ])
    #expect(route.hops.map(\.peer) == ["a:1", "b:2", "c:3"])
    #expect(route.maximumLength == 2048)
  }

  @Test("Of peers that serve the same blocks, the one that says it is quicker is taken")
  func announced() async throws {
    let route = try await route([
      peer("slow:1", 0..<24, step: .seconds(3)), peer("a:1", 0..<12, step: .seconds(2)),
      peer("b:1", 12..<24, step: .seconds(2)), peer("b:2", 12..<24, step: .seconds(1)),
    ])
    #expect(route.hops.map(\.peer) == ["a:1", "b:2"])
  }

  @Test("A peer may be taken for a part of its blocks")
  func partly() async throws {
    let route = try await route([
      peer("a:1", 0..<16, step: .seconds(1)), peer("b:1", 8..<24, step: .seconds(2)),
    ])
    #expect(route.hops.map(\.peer) == ["a:1", "b:1"])
    #expect(route.hops.map(\.blocks.indices) == [0..<16, 16..<24])
  }

  @Test("Peers that do not make the model are refused by name and blocks")
  func refusals() async throws {
    try await expect([], .noPeers)
    try await expect(
      [peer("a:1", 0..<12), peer("b:2", 13..<24)],
      .gap(missing: 12..<13, total: 24, peers: ["a:1 (0-11)", "b:2 (13-23)"]))
    try await expect(
      [peer("a:1", 0..<12)], .gap(missing: 12..<24, total: 24, peers: ["a:1 (0-11)"]))
    try await expect(
      [peer("b:2", 12..<24)], .gap(missing: 0..<12, total: 24, peers: ["b:2 (12-23)"]))
    try await expect(
      [peer("a:1", 0..<24, fingerprint: "beef")],
      .modelMismatch(
        peer: "a:1", name: "tiny", expected: model.checkpoint.fingerprint, actual: "beef"))
    try await expect(
      [peer("a:1", 0..<32, of: 32)],
      .shapeMismatch(peer: "a:1", field: "number of blocks", expected: 24, actual: 32))
    try await expect(
      [peer("a:1", 0..<24, hidden: 48)],
      .shapeMismatch(peer: "a:1", field: "hidden size", expected: 64, actual: 48))
    try await expect(
      [peer("a:1", 0..<24, ready: false)],
      .unserved(
        missing: 0..<24, total: 24, peers: ["a:1: it is not ready: it loads or stops"]))
  }

  private func expect(
    _ peers: [StatedPeer], _ error: RouteError, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    await #expect(throws: error, sourceLocation: sourceLocation) { try await route(peers) }
  }

  @Test(
    "Nodes whose ranges overlap make every token of the reference",
    arguments: [
      [0..<16, 8..<24], [0..<24, 0..<24], [0..<13, 12..<24, 6..<18], [0..<1, 0..<23, 2..<24],
    ])
  func overlapping(ranges: [Range<Int>]) async throws {
    let expected = try model.ids("case3.generated_ids")
    try await withNodes(of: model, serving: ranges) { nodes in
      let peers = try nodes.map { try $0.boundAddress }
      try await withPipelineClient(model.ends, peers: peers) { client in
        let result = try await client.generate(
          PipelineRequest(
            promptIDs: model.ids("case3.input_ids"), maxNewTokens: expected.count)
        ).collect()
        #expect(result.generatedIDs == expected)
        try BlockRange.validateCoverage(result.route.hops.map(\.blocks))
      }
    }
  }

  @Test("A client refuses live nodes that leave a gap, and one of another model")
  func live() async throws {
    let (tiny, other) = (try TinyModel(), try TinyModel(.oddF32Sharded))
    try await withNodes(of: tiny, cuts: [12]) { nodes in
      let ends = try tiny.ends
      await #expect(throws: RouteError.self) {
        try await withPipelineClient(ends, transports: [nodes[0].transport]) { _ in }
      }
      try await withNodes(of: other, cuts: []) { others in
        let error = await #expect(throws: RouteError.self) {
          try await withPipelineClient(ends, peers: [others[0].boundAddress]) { _ in }
        }
        guard case .modelMismatch(let peer, _, _, _) = error else {
          Issue.record("\(error as Any) is not about another model")
          return
        }
        let name = try others[0].boundAddress.description
        #expect(peer == name)
      }
    }
  }
}

/// A peer of which nothing but its word is known.
private struct StatedPeer: BlockTransport {
  let peer: String
  let stated: PeerInfo

  func info() async throws -> PeerInfo { stated }

  func forward(_ hidden: HiddenStates, through model: ServedBlocks) async throws -> HiddenStates {
    throw NodeError(.unimplemented, "it only describes itself", peer: peer)
  }

  func backward(
    input: HiddenStates, outputGradient: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates {
    throw NodeError(.unimplemented, "it only describes itself", peer: peer)
  }

  func openSession(_ opening: SessionOpening) async throws -> any BlockSession {
    throw NodeError(.unimplemented, "it only describes itself", peer: peer)
  }
}

@Suite("The search for the quickest way")
struct RouteSearchTests {
  typealias Candidate = RouteSearch.Candidate

  private func candidate(
    _ name: String, _ blocks: Range<Int>, roundTrip: Int, step: Int
  ) throws -> Candidate {
    Candidate(
      peer: name, blocks: try BlockRange(blocks, of: 24), maximumLength: 2048,
      times: PeerLatency(
        roundTrip: .milliseconds(roundTrip), blockStep: .milliseconds(step)))
  }

  @Test("A second way there and back is worth it when the blocks are that much quicker")
  func tradeOff() throws {
    let slow = try candidate("slow", 0..<24, roundTrip: 1, step: 10)
    let near = try candidate("near", 12..<24, roundTrip: 100, step: 1)
    let far = try candidate("far", 12..<24, roundTrip: 110, step: 1)
    // 1 + 120 + 100 + 12 is less than 1 + 240, and 1 + 120 + 110 + 12 is not.
    #expect(RouteSearch([slow, near]).quickest(0..<24)?.map(\.peer) == ["slow", "near"])
    #expect(RouteSearch([slow, far]).quickest(0..<24)?.map(\.peer) == ["slow"])
  }

  @Test("Of equal ways the one with fewer nodes is taken, then the first that was named")
  func ties() throws {
    let a = try candidate("a", 0..<12, roundTrip: 0, step: 1)
    let b = try candidate("b", 12..<24, roundTrip: 0, step: 1)
    let whole = try candidate("whole", 0..<24, roundTrip: 0, step: 1)
    let twin = try candidate("twin", 0..<24, roundTrip: 0, step: 1)
    #expect(RouteSearch([a, b, whole, twin]).quickest(0..<24)?.map(\.peer) == ["whole"])
    #expect(RouteSearch([twin, whole, a, b]).quickest(0..<24)?.map(\.peer) == ["twin"])
  }

  @Test("Of equal ways the one with fewer nodes is taken, also where the longer one is found first")
  func fewerNodesFoundLater() throws {
    // Both take 24 ms. The search comes to the longer one's last node at block 8, to the shorter
    // one's at block 12.
    let candidates = try [
      candidate("a", 0..<4, roundTrip: 4, step: 0), candidate("b", 4..<8, roundTrip: 4, step: 0),
      candidate("c", 8..<24, roundTrip: 16, step: 0),
      candidate("d", 0..<12, roundTrip: 10, step: 0),
      candidate("e", 12..<24, roundTrip: 14, step: 0),
    ]
    #expect(RouteSearch(candidates).quickest(0..<24)?.map(\.peer) == ["d", "e"])
    #expect(RouteSearch(candidates.reversed()).quickest(0..<24)?.map(\.peer) == ["d", "e"])
  }

  @Test("A range in the middle is searched for alone, and the first gap is named")
  func middle() throws {
    let a = try candidate("a", 0..<10, roundTrip: 0, step: 1)
    let b = try candidate("b", 8..<14, roundTrip: 0, step: 2)
    let search = RouteSearch([a, b])
    #expect(search.quickest(3..<13)?.map(\.blocks.indices) == [3..<10, 10..<13])
    #expect(search.quickest(3..<15) == nil)
    #expect(search.firstGap(in: 3..<20) == 14..<20)
    #expect(search.firstGap(in: 0..<14) == nil)
  }

  @Test("No way is quicker than the one found, among all there are", arguments: 0..<60)
  func againstAll(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let candidates = try (0..<Int.random(in: 1...5, using: &random)).map { number in
      let lower = Int.random(in: 0..<5, using: &random)
      return try candidate(
        "peer \(number)", lower..<Int.random(in: lower + 1...6, using: &random),
        roundTrip: .random(in: 0...9, using: &random), step: .random(in: 0...5, using: &random))
    }
    let best = Self.least(from: 0, to: 6, candidates)
    let found = RouteSearch(candidates).quickest(0..<6)
    #expect((found == nil) == (best == nil))
    guard let found, let best else { return }
    let cost = try found.reduce(Duration.zero) { sum, hop in
      let times = try #require(candidates.first { $0.peer == hop.peer }).times
      return sum + times.cost(blocks: hop.blocks.count)
    }
    #expect(cost == best)
    #expect(
      found.map { $0.blocks.lowerBound } == [0] + found.dropLast().map { $0.blocks.upperBound })
    #expect(found.last?.blocks.upperBound == 6)
  }

  /// Tries every peer for every run of blocks.
  private static func least(from: Int, to end: Int, _ candidates: [Candidate]) -> Duration? {
    if from == end { return .zero }
    var best: Duration?
    for candidate in candidates where candidate.blocks.indices.contains(from) {
      for next in from + 1...min(end, candidate.blocks.upperBound) {
        guard let rest = least(from: next, to: end, candidates) else { continue }
        let cost = candidate.times.cost(blocks: next - from) + rest
        best = best.map { min($0, cost) } ?? cost
      }
    }
    return best
  }
}
