import Bloom
import Foundation
import PetalsNode
import PlumiseTesting
import Synchronization
import TestSupport
import Testing

@Suite("Nodes that are left alone, and nodes that are full")
struct BanTests {
  let model: TinyModel
  let expected: [Int32]

  init() throws {
    model = try TinyModel()
    expected = try model.ids("case1.generated_ids")
  }

  private var request: PipelineRequest {
    get throws {
      try PipelineRequest(
        promptIDs: model.ids("case1.input_ids"), maxNewTokens: expected.count)
    }
  }

  @Test("A node that failed is left alone, twice as long each time, until it succeeds")
  func backOff() async throws {
    let clock = ManualClock()
    try await withNodes(of: model, cuts: [12]) { nodes in
      let second = UnreliableTransport(nodes[1].transport)
      try await withPipelineClient(
        model.ends, transports: [nodes[0].transport, second],
        recovery: RecoveryPolicy(ban: .seconds(15), longestBan: .seconds(40)), clock: clock
      ) { client in
        // 15, 30, and then the longest.
        for seconds in [15, 30, 40, 40] {
          second.isBroken = true
          try await expectUnserved(client, saying: "is broken")
          second.isBroken = false
          clock.advance(by: .seconds(seconds) - .milliseconds(1))
          let opened = second.openings
          try await expectUnserved(client, saying: "left alone for")
          #expect(second.openings == opened, "it was asked though it is left alone")
          clock.advance(by: .milliseconds(1))
        }
        #expect(try await client.generate(request).collect().generatedIDs == expected)
        // It succeeded: the next failure is its first again.
        second.isBroken = true
        try await expectUnserved(client, saying: "is broken")
        second.isBroken = false
        clock.advance(by: .seconds(15))
        #expect(try await client.generate(request).collect().generatedIDs == expected)
      }
    }
  }

  private func expectUnserved(
    _ client: PipelineClient, saying words: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let error = await #expect(throws: RouteError.self, sourceLocation: sourceLocation) {
      try await client.generate(request).collect()
    }
    guard case .unserved(12..<24, 24, let peers) = error else {
      Issue.record("\(error as Any) names no blocks", sourceLocation: sourceLocation)
      return
    }
    #expect(peers.contains { $0.contains(words) }, "\(peers)", sourceLocation: sourceLocation)
  }

  @Test("A full node refuses by name, and the client goes elsewhere and comes back")
  func full() async throws {
    let tokens = try model.ids("case1.input_ids").count + expected.count - 1
    try await withNodes(
      of: model, serving: [0..<12, 12..<24, 12..<24],
      configure: {
        // Room for one session.
        $0.cacheBudget =
          tokens * Shard.bytesPerCachedToken(model.checkpoint.configuration, blocks: $0.blocks)
      }
    ) { nodes in
      try await withPipelineClient(model.ends, transports: nodes.map(\.transport)) { client in
        let name = client.route.hops[1].peer
        let chosen = try #require(nodes.first { $0.transport.peer == name })
        let blocker = try await chosen.transport.openSession(
          model.opening(12..<24, length: tokens))
        let result = try await client.generate(request).collect()
        #expect(result.generatedIDs == expected)
        #expect(result.route.hops[1].peer != name)
        blocker.cancel()
        // It is not at fault, and serves again at once where it is needed.
        let other = try #require(
          nodes.first { $0.transport.peer == result.route.hops[1].peer })
        let second = try await other.transport.openSession(model.opening(12..<24, length: tokens))
        let again = try await client.generate(request).collect()
        #expect(again.route.hops[1].peer == name)
        second.cancel()
      }
    }
  }

  @Test("When the only node for its blocks is full, it says so in its own name")
  func onlyFull() async throws {
    // Node B has room for the one token of its own first pass.
    try await withNodes(
      of: model, cuts: [12],
      configure: {
        let token = Shard.bytesPerCachedToken(model.checkpoint.configuration, blocks: $0.blocks)
        $0.cacheBudget = token * ($0.blocks.lowerBound == 0 ? 1000 : 1)
      }
    ) { nodes in
      try await withPipelineClient(model.ends, transports: nodes.map(\.transport)) { client in
        let error = await #expect(throws: NodeError.self) {
          try await client.generate(request).collect()
        }
        #expect(error?.code == .resourceExhausted)
        #expect(error?.peer == nodes[1].transport.peer)
      }
      #expect(nodes[0].info.cache.usedBytes == 0)
    }
  }

  @Test("A node whose caches of 16 bits cannot hold its keys does not start, and says why")
  func beyondRange() async throws {
    let folder = try checkpointCopy()
    defer { try? FileManager.default.removeItem(at: folder) }
    let shape = model.checkpoint.configuration
    try makeLargeKeys(
      ofBlock: 12, hidden: shape.hiddenSize, headSize: shape.headSize, in: folder)
    let model = try TinyModel(in: folder)
    let error = await #expect(throws: NodeStartError.self) {
      try await withNodes(of: model, cuts: [12], configure: { $0.cacheType = .f16 }) { _ in }
    }
    #expect(error?.description.contains("take a cache of f32 (out of range)") == true)
    try await withNodes(of: model, cuts: [12]) { nodes in #expect(nodes.count == 2) }
  }

  @Test("A node that cannot hold what the tokens come to is asked again by the next generation")
  func refusesTokens() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      let last = UnreliableTransport(nodes[1].transport)
      try await withPipelineClient(
        model.ends, transports: [nodes[0].transport, last]
      ) { client in
        last.refusal = NodeError(.outOfRange, "a key does not fit", peer: last.peer)
        for time in 1...2 {
          try await expectUnserved(client, saying: "a key does not fit")
          #expect(last.openings == time)
        }
        last.refusal = nil
        #expect(try await client.generate(request).collect().generatedIDs == expected)
      }
    }
  }
}

/// The way to a node, on which sessions and passes fail when a test says so.
final class UnreliableTransport: BlockTransport {
  private struct State {
    var isBroken = false
    var refusal: NodeError?
    var openings = 0
  }

  private let node: any BlockTransport
  private let state = Mutex(State())

  init(_ node: any BlockTransport) { self.node = node }

  var isBroken: Bool {
    get { state.withLock { $0.isBroken } }
    set { state.withLock { $0.isBroken = newValue } }
  }

  /// Why the node takes nothing; nil while it does.
  var refusal: NodeError? {
    get { state.withLock { $0.refusal } }
    set { state.withLock { $0.refusal = newValue } }
  }

  /// Whether the node has no room for anything.
  var isFull: Bool {
    get { refusal != nil }
    set {
      refusal = newValue ? NodeError(.resourceExhausted, "there is no room", peer: peer) : nil
    }
  }

  /// How often a session was asked for.
  var openings: Int { state.withLock { $0.openings } }

  var peer: String { node.peer }

  func info() async throws -> PeerInfo { try await node.info() }

  func forward(_ hidden: HiddenStates, through model: ServedBlocks) async throws -> HiddenStates {
    try check()
    return try await node.forward(hidden, through: model)
  }

  func backward(
    input: HiddenStates, outputGradient: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates {
    try check()
    return try await node.backward(
      input: input, outputGradient: outputGradient, through: model)
  }

  func openSession(_ opening: SessionOpening) async throws -> any BlockSession {
    state.withLock { $0.openings += 1 }
    try check()
    return try await node.openSession(opening)
  }

  private func check() throws {
    if isBroken { throw NodeError(.unavailable, "the way is broken", peer: peer) }
    if let refusal { throw refusal }
  }
}
