import Bloom
import PetalsNode
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
        blocks: try LayerRange(blocks, of: layers), hiddenSize: hidden, isReady: ready, agent: nil,
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
      .otherModel(
        peer: "a:1", name: "tiny", expected: model.checkpoint.fingerprint, actual: "beef"))
    try await expect(
      [peer("a:1", 0..<32, of: 32)],
      .otherShape(peer: "a:1", field: "number of blocks", expected: 24, actual: 32))
    try await expect(
      [peer("a:1", 0..<24, hidden: 48)],
      .otherShape(peer: "a:1", field: "hidden size", expected: 64, actual: 48))
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
            promptIDs: model.ids("case3.input_ids"), maximumNewTokens: expected.count)
        ).collect()
        #expect(result.generatedIDs == expected)
        try LayerRange.requireCover(result.route.hops.map(\.blocks))
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
        guard case .otherModel(let peer, _, _, _) = error else {
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
