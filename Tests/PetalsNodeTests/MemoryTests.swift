import Bloom
import PetalsNode
import PlumiseTesting
import Testing

@Suite("Cache memory of a node", .timeLimit(.minutes(5)))
struct MemoryTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  /// Room for 100 tokens in 12 blocks.
  private func budget(_ configuration: inout NodeConfiguration) {
    configuration.cacheBudget =
      100
      * Shard.bytesPerCachedToken(
        configuration.checkpoint.configuration, layers: configuration.blocks)
  }

  @Test("Sessions reserve their maximum, and one too many is refused", arguments: Reach.allCases)
  func refusal(reach: Reach) async throws {
    try await withNodes(of: model, cuts: [12], configure: budget) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        let first = try await peers[0].openSession(model.opening(0..<12, length: 60))
        var usage = try await peers[0].info().cache
        #expect(usage.sessions == 1)
        #expect(usage.usedBytes == 60 * usage.bytesPerToken)
        #expect(usage.tokensLeft == 40)

        let error = await #expect(throws: NodeError.self) {
          try await peers[0].openSession(model.opening(0..<12, length: 41, id: "greedy"))
        }
        #expect(error?.code == .resourceExhausted)
        #expect(error?.message.contains("session greedy") == true)

        try await first.finish(SessionSummary(generatedTokens: 0, latency: .zero))
        usage = try await peers[0].info().cache
        #expect(usage.usedBytes == 0)
        #expect(usage.sessions == 0)
      }
    }
  }

  @Test("Memory comes back when a session is cancelled")
  func cancelled() async throws {
    try await withNodes(of: model, cuts: [12], configure: budget) { nodes in
      try await withGRPCTransports([nodes[0].boundAddress]) { peers in
        for _ in 0..<3 {
          let session = try await peers[0].openSession(model.opening(0..<12, length: 100))
          _ = try await session.step(model.hidden("case1.embeddings"))
          session.cancel()
          try await nodes[0].waitUntilIdle()
          #expect(nodes[0].info.cache.usedBytes == 0)
        }
      }
    }
  }

  @Test("Memory comes back when a client disappears")
  func disconnected() async throws {
    try await withNodes(of: model, cuts: [12], configure: budget) { nodes in
      for _ in 0..<3 {
        try await withGRPCTransports([nodes[0].boundAddress]) { peers in
          let session = try await peers[0].openSession(model.opening(0..<12, length: 100))
          _ = try await session.step(model.hidden("case1.embeddings"))
          #expect(nodes[0].info.cache.sessions == 1)
        }
        try await nodes[0].waitUntilIdle()
        #expect(nodes[0].info.cache.usedBytes == 0)
      }
    }
  }

  @Test("A session whose client is silent for too long is ended, and says so")
  func silent() async throws {
    let clock = ManualClock()
    let configuration = NodeConfiguration(
      checkpoint: model.checkpoint, blocks: try model.blocks(0..<12),
      sessionIdleLimit: .seconds(90))
    try await withPetalsNode(configuration, clock: clock) { node in
      try await withGRPCTransports([node.boundAddress]) { peers in
        let session = try await peers[0].openSession(model.opening(0..<12, length: 8))
        _ = try await session.step(model.hidden("case0.embeddings"))
        try await clock.waitForSleeper(until: .seconds(90))
        clock.advance(by: .seconds(90))
        try await node.waitUntilIdle()
        let error = await #expect(throws: NodeError.self) {
          try await session.step(model.hidden("case0.embeddings"))
        }
        #expect(error?.code == .deadlineExceeded, "\(error as Any)")
      }
    }
  }

  @Test("A session of more tokens than the node takes is refused", arguments: [0, -1, 2049])
  func length(tokens: Int) async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      let error = await #expect(throws: NodeError.self) {
        try await nodes[0].transport.openSession(model.opening(0..<12, length: tokens))
      }
      #expect(error?.code == .outOfRange)
    }
  }
}
