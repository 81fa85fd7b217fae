import Bloom
import PetalsNode
import Testing

@Suite("Routes", .timeLimit(.minutes(5)))
struct RouteTests {
  static let model = Route.Model(fingerprint: "f00d", layerCount: 24, hiddenSize: 64)

  static func peer(
    _ name: String, _ blocks: Range<Int>, of layers: Int = 24, fingerprint: String = "f00d",
    hidden: Int = 64, ready: Bool = true
  ) throws -> (name: String, info: PeerInfo) {
    let info = PeerInfo(
      modelName: "tiny", fingerprint: fingerprint, blocks: try LayerRange(blocks, of: layers),
      hiddenSize: hidden, isReady: ready, agent: nil, uptime: .zero,
      cache: CacheUsage(usedBytes: 0, budgetBytes: 1, sessions: 0, bytesPerToken: 1),
      maximumLength: 2048)
    return (name, info)
  }

  @Test("Peers in any order make a route in the order of the blocks")
  func order() throws {
    let route = try Route(
      of: [
        Self.peer("c:3", 20..<24), Self.peer("a:1", 0..<12), Self.peer("b:2", 12..<20),
      ], for: Self.model)
    #expect(route.hops.map(\.peer) == ["a:1", "b:2", "c:3"])
    #expect(route.maximumLength == 2048)
  }

  @Test("Peers that do not make the model are refused by name and blocks")
  func refusals() throws {
    try expect([], .noPeers)
    try expect(
      [Self.peer("a:1", 0..<12), Self.peer("b:2", 13..<24)],
      .gap(missing: 12..<13, total: 24, peers: ["a:1 (0-11)", "b:2 (13-23)"]))
    try expect(
      [Self.peer("a:1", 0..<12)], .gap(missing: 12..<24, total: 24, peers: ["a:1 (0-11)"]))
    try expect(
      [Self.peer("b:2", 12..<24)], .gap(missing: 0..<12, total: 24, peers: ["b:2 (12-23)"]))
    try expect(
      [Self.peer("a:1", 0..<13), Self.peer("b:2", 12..<24)],
      .overlap(blocks: 12..<13, first: "a:1", second: "b:2"))
    try expect(
      [Self.peer("a:1", 0..<24), Self.peer("b:2", 0..<24)],
      .overlap(blocks: 0..<24, first: "a:1", second: "b:2"))
    try expect(
      [Self.peer("a:1", 0..<24), Self.peer("b:2", 3..<5)],
      .overlap(blocks: 3..<5, first: "a:1", second: "b:2"))
    try expect(
      [Self.peer("a:1", 0..<24, fingerprint: "beef")],
      .otherModel(peer: "a:1", name: "tiny", expected: "f00d", actual: "beef"))
    try expect(
      [Self.peer("a:1", 0..<32, of: 32)],
      .otherShape(peer: "a:1", field: "number of blocks", expected: 24, actual: 32))
    try expect(
      [Self.peer("a:1", 0..<24, hidden: 48)],
      .otherShape(peer: "a:1", field: "hidden size", expected: 64, actual: 48))
    try expect([Self.peer("a:1", 0..<24, ready: false)], .notReady(peer: "a:1"))
  }

  private func expect(
    _ peers: [(name: String, info: PeerInfo)], _ error: RouteError,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(throws: error, sourceLocation: sourceLocation) {
      try Route(of: peers, for: Self.model)
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
