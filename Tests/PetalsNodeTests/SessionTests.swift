import Bloom
import EthereumPrimitives
import InferenceMetrics
import PetalsNode
import PlumiseWire
import TestSupport
import Testing

@Suite("Inference sessions", .timeLimit(.minutes(5)))
struct SessionTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  @Test("Tokens one at a time give what all at once give", arguments: Reach.allCases)
  func stepwise(reach: Reach) async throws {
    let input = try model.hidden("case2.embeddings")
    let expected = try model.hidden("case2.after_first_shard")
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        let session = try await peers[0].openSession(model.opening(0..<12, length: input.tokens))
        for token in 0..<input.tokens {
          let step = try await session.step(input.slice(token..<token + 1))
          #expect(step.position == token + 1)
          try expectClose(step.hidden, expected.slice(token..<token + 1), "token \(token)")
        }
        session.cancel()
      }
    }
  }

  @Test("A session rolled back goes on as if the tokens had never been", arguments: Reach.allCases)
  func rollback(reach: Reach) async throws {
    let input = try model.hidden("case2.embeddings")
    let expected = try model.hidden("case2.after_first_shard")
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        let session = try await peers[0].openSession(model.opening(0..<12, length: 8))
        _ = try await session.step(input.slice(0..<3))
        _ = try await session.step(model.hidden("case3.embeddings").slice(20..<25))
        let rest = try await session.step(input.slice(3..<7), startFrom: 3)
        #expect(rest.position == 7)
        try expectClose(rest.hidden, expected.slice(3..<7), "rest")
        // The tokens rolled back take no room: one more fits, and none after it.
        #expect(try await session.step(input.slice(0..<1)).position == 8)
        session.cancel()
      }
    }
  }

  @Test(
    "A session may go through a part of the node's blocks, and reserves memory for these alone",
    arguments: Reach.allCases)
  func partOfBlocks(reach: Reach) async throws {
    let input = try model.hidden("case2.embeddings")
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        var hidden = input
        for blocks in [0..<1, 1..<7, 7..<12] {
          let session = try await peers[0].openSession(model.opening(blocks, length: 8))
          let usage = nodes[0].info.cache
          #expect(usage.usedBytes == 8 * usage.bytesPerToken / 12 * blocks.count)
          hidden = try await session.step(hidden).hidden
          try await session.finish(SessionSummary(generatedTokens: 0, latency: .zero))
          #expect(nodes[0].info.cache.usedBytes == 0)
        }
        try expectClose(hidden, model.hidden("case2.after_first_shard"), "in three parts")
      }
    }
  }

  @Test("Sessions at once do not mix")
  func concurrent() async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withGRPCTransports([nodes[0].boundAddress]) { peers in
        try await withThrowingDiscardingTaskGroup { group in
          for number in 0..<12 {
            group.addTask {
              let name = TinyModel.cases[number % TinyModel.cases.count]
              let input = try model.hidden("\(name).embeddings")
              let expected = try model.hidden("\(name).after_first_shard")
              let session = try await peers[0].openSession(
                model.opening(0..<12, length: input.tokens, id: "session \(number)"))
              for token in 0..<input.tokens {
                let step = try await session.step(input.slice(token..<token + 1))
                try expectClose(step.hidden, expected.slice(token..<token + 1), "\(name) \(token)")
              }
              try await session.finish(
                SessionSummary(generatedTokens: input.tokens, latency: .milliseconds(number)))
            }
          }
        }
        #expect(nodes[0].info.cache.usedBytes == 0)
        #expect(nodes[0].metrics.snapshot.totalRequests == 12)
      }
    }
  }

  @Test(
    "A step beyond the maximum, or from beyond the cache, is refused", arguments: Reach.allCases)
  func positions(reach: Reach) async throws {
    let input = try model.hidden("case2.embeddings")
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        for (tokens, start) in [(7, nil), (1, 5), (1, -1), (6, 0)] as [(Int, Int?)] {
          let session = try await peers[0].openSession(model.opening(0..<12, length: 5))
          _ = try await session.step(input.slice(0..<4))
          let error = await #expect(throws: NodeError.self) {
            try await session.step(input.slice(0..<tokens), startFrom: start)
          }
          #expect(error?.code == .outOfRange)
          #expect(error?.peer == peers[0].peer)
          session.cancel()
        }
      }
    }
  }

  @Test("A summary that claims more than went through is refused", arguments: Reach.allCases)
  func falseSummary(reach: Reach) async throws {
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await reach.withTransports(to: nodes) { peers in
        let session = try await peers[0].openSession(model.opening(0..<12, length: 5))
        _ = try await session.step(model.hidden("case1.embeddings"))
        let error = await #expect(throws: NodeError.self) {
          try await session.finish(SessionSummary(generatedTokens: 3, latency: .zero))
        }
        #expect(error?.code == .invalidArgument)
        #expect(nodes[0].metrics.snapshot.totalTokens == 0)
      }
    }
  }

  @Test("Every node of a route counts a session once, and makes a proof of its own")
  func summary() async throws {
    let agent = try Address("0x00000000000000000000000000000000000000aa")
    try await withNodes(of: model, cuts: [12], configure: { $0.agent = agent }) { nodes in
      for node in nodes {
        let blocks = node.configuration.blocks
        let session = try await node.transport.openSession(
          model.opening(blocks.indices, length: 50))
        for _ in 0..<50 { _ = try await session.step(model.hidden("case0.embeddings")) }
        let processed = try await session.finish(
          SessionSummary(
            generatedTokens: 50, latency: .milliseconds(123),
            transcript: .init(input: "a", output: "b")))
        #expect(processed == 50)
        let metrics = node.metrics.snapshot
        #expect(metrics.totalTokens == 50)
        #expect(metrics.totalRequests == 1)
        #expect(metrics.totalLatency == .milliseconds(123))
        let proofs = node.metrics.proofs.pending
        #expect(proofs.map(\.agent) == [agent])
        #expect(proofs.map(\.tokenCount) == [50])
      }
    }
  }
}
