import Bloom
import MockServing
import PetalsNode
import TestSupport
import Testing

/// Sessions of one node, or of several, whose prompts begin alike: tokens are counted, not time.
@Suite("Sessions that begin alike", .timeLimit(.minutes(5)))
struct PrefixPageTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  private func ids(_ count: Int, from first: Int32 = 3) -> [Int32] {
    (0..<Int32(count)).map { 3 + (first + $0 * 37) % 500 }
  }

  private func step(
    _ transport: any BlockTransport, _ states: HiddenStates, in blocks: Range<Int>
  ) async throws -> HiddenStates {
    let session = try await transport.openSession(model.opening(blocks, length: 400))
    defer { session.cancel() }
    return try await session.step(states).hidden
  }

  @Test(
    "An equal prompt is computed from the first page on that is not known, at every node",
    arguments: Reach.allCases, [[], [12], [8, 16]])
  func equal(_ reach: Reach, _ cuts: [Int]) async throws {
    try await withNodes(of: model, cuts: cuts) { nodes in
      try await reach.withTransports(to: nodes) { transports in
        try await withPipelineClient(model.ends, transports: transports) { client in
          func run(_ ids: [Int32], reused: Int) async throws -> [Int32] {
            let before = nodes.map(\.pageUsage)
            let result = try await client.generate(
              PipelineRequest(promptIDs: ids, maxNewTokens: 8)
            ).collect()
            for (node, before) in zip(nodes, before) {
              #expect(node.pageUsage.reusedTokens - before.reusedTokens == reused)
              #expect(node.pageUsage.computedTokens - before.computedTokens == ids.count - reused)
            }
            return result.generatedIDs
          }
          let prompt = ids(150)
          let first = try await run(prompt, reused: 0)
          #expect(try await run(prompt, reused: 128) == first)
          #expect(try await run(prompt, reused: 128) == first)
          let other = Array(prompt.prefix(100)) + ids(60, from: 90)
          let expected = try await LocalGenerator(model.checkpoint).generate(
            Bloom.GenerationRequest(prompt: other, maxNewTokens: 8)
          ).ids
          #expect(try await run(other, reused: 64) == expected)
          #expect(nodes.allSatisfy { $0.pageUsage.pages == 3 && $0.pageUsage.hits == 3 })
        }
      }
    }
  }

  @Test("Outputs of known pages are the earlier ones bit by bit, and the rest is as near as ever")
  func bits() async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      let node = nodes[0]
      let states = try model.ends.embed(ids(150))
      let first = try await step(node.transport, states, in: 0..<24)
      let second = try await step(node.transport, states, in: 0..<24)
      #expect(first.slice(0..<128) == second.slice(0..<128))
      expectClose(second.values, first.values, tolerance: 2e-5, "the rest")
      // A prompt of whole pages is known to its end: nothing is computed.
      let (batches, whole) = (node.batches, states.slice(0..<128))
      #expect(try await step(node.transport, whole, in: 0..<24) == first.slice(0..<128))
      #expect(node.batches == batches)
      // A bit elsewhere makes another beginning.
      var values = states.values
      values[70 * states.hidden] = values[70 * states.hidden].nextUp
      let changed = try HiddenStates(tokens: 150, hidden: states.hidden, values: values)
      let reused = node.pageUsage.reusedTokens
      _ = try await step(node.transport, changed, in: 0..<24)
      #expect(node.pageUsage.reusedTokens == reused + 64)
    }
  }

  @Test("A session that goes on behind pages changes them for nobody")
  func copyOnWrite() async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      let transport = nodes[0].transport
      let states = try model.ends.embed(ids(130))
      let expected = try await step(transport, states, in: 0..<24)
      let session = try await transport.openSession(model.opening(0..<24, length: 400))
      defer { session.cancel() }
      _ = try await session.step(states)
      // It rolls back into a known page, and writes over it.
      _ = try await session.step(model.ends.embed(ids(40, from: 77)), startFrom: 30)
      let after = try await step(transport, states, in: 0..<24)
      #expect(after.slice(0..<128) == expected.slice(0..<128))
      // Rolled back to its beginning, it may begin as another one did.
      let before = nodes[0].pageUsage.reusedTokens
      let again = try await session.step(states, startFrom: 0)
      #expect(nodes[0].pageUsage.reusedTokens == before + 128)
      #expect(again.position == 130)
      #expect(again.hidden.slice(0..<128) == expected.slice(0..<128))
    }
  }

  @Test("Other blocks, deep prompts and a budget of nothing share nothing")
  func apart() async throws {
    try await withNodes(of: model, cuts: []) { nodes in
      let states = try model.ends.embed(ids(70))
      _ = try await step(nodes[0].transport, states, in: 0..<24)
      _ = try await step(nodes[0].transport, states, in: 0..<12)
      #expect(nodes[0].pageUsage.reusedTokens == 0 && nodes[0].pageUsage.pages == 2)
      let count = nodes[0].pageUsage
      let sessions = try nodes[0].transport.openSessions(
        model.opening(0..<24, length: 100), count: 1)
      defer { sessions.release() }
      let prompts = try DeepPrompts(
        blocks: (0..<24).map { _ in
          try HiddenStates(
            tokens: 1, hidden: states.hidden,
            values: [Float](repeating: 0.5, count: states.hidden))
        })
      _ = try await sessions.step([states], startFrom: nil, prompts: [prompts])
      #expect(nodes[0].pageUsage == count)
    }
    try await withNodes(of: model, cuts: []) { configuration in
      configuration.pageBudget = 0
    } _: { nodes in
      let states = try model.ends.embed(ids(70))
      for _ in 0..<2 { _ = try await step(nodes[0].transport, states, in: 0..<24) }
      #expect(nodes[0].pageUsage == PrefixUsage())
    }
  }

  @Test("Who watches a node hears what a step did not compute")
  func told() async throws {
    let journal = Journal<SessionActivity>()
    try await withNodes(of: model, cuts: []) { configuration in
      configuration.onActivity = { journal.record($0) }
    } _: { nodes in
      let states = try model.ends.embed(ids(100))
      for _ in 0..<2 { _ = try await step(nodes[0].transport, states, in: 0..<24) }
    }
    let steps = journal.entries.filter { if case .step = $0.kind { true } else { false } }
    #expect(steps.map(\.reusedTokens) == [0, 64])
  }
}
