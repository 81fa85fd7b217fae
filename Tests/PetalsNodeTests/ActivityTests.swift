import Bloom
import MockServing
import PetalsNode
import TestSupport
import Testing

/// What is told of a generation while it runs: by its nodes, and by its client.
@Suite("Activity of a generation", .timeLimit(.minutes(5)))
struct ActivityTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  private static let count = 5

  @Test(
    "Each node tells of a session's beginning, every step and its end", arguments: Reach.allCases)
  func activities(reach: Reach) async throws {
    let told = [Journal<SessionActivity>(), Journal<SessionActivity>()]
    let prompt = try model.ids("\(TinyModel.cases[0]).input_ids")
    let model = model
    try await withNodes(
      of: model, cuts: [12],
      configure: { node in
        let journal = told[node.blocks.lowerBound == 0 ? 0 : 1]
        node.onActivity = { journal.record($0) }
      }
    ) { nodes in
      try await reach.withTransports(to: nodes) { transports in
        try await withPipelineClient(model.ends, transports: transports) { client in
          _ = try await client.generate(
            PipelineRequest(promptIDs: prompt, maxNewTokens: Self.count)
          ).collect()
        }
      }
      for (node, journal) in zip(nodes, told) {
        _ = try await journal.next { $0.kind == .ended }
        let activities = journal.entries
        #expect(Set(activities.map(\.session)).count == 1)
        #expect(activities.allSatisfy { $0.blocks == node.configuration.blocks })
        #expect(activities.first?.kind == .opened && activities.first?.cache.sessions == 1)
        #expect(activities.last?.cache.sessions == 0 && activities.last?.cache.usedBytes == 0)
        #expect(activities.contains { $0.kind == .finished(generated: Self.count) })
        let steps = activities.compactMap { activity -> [Int]? in
          guard case .step(let tokens, let position, let time) = activity.kind else { return nil }
          #expect(time > .zero)
          return [tokens, position]
        }
        let decoded = (1..<Self.count).map { [1, prompt.count + $0] }
        #expect(steps == [[prompt.count, prompt.count]] + decoded)
      }
    }
    #expect(told[0].entries.map(\.session).first == told[1].entries.map(\.session).first)
  }

  @Test("A traced token says its rank and its hops; one that is not traced says nothing")
  func traces() async throws {
    let prompt = try model.ids("\(TinyModel.cases[0]).input_ids")
    let model = model
    try await withNodes(of: model, cuts: [8, 16]) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        func tokens(
          _ sampling: SamplingParameters, traced: Bool
        ) async throws -> [GeneratedToken] {
          let stream = try client.generate(
            PipelineRequest(
              promptIDs: prompt, maxNewTokens: 4, sampling: sampling, seed: 3, isTraced: traced))
          return try await stream.reduce(into: []) { $0.append($1) }
        }
        let likeliest = try await tokens(.greedy, traced: true)
        for token in likeliest {
          let trace = try #require(token.trace)
          #expect(trace.rank == 1)
          #expect(trace.hops.map(\.blocks) == nodes.map(\.configuration.blocks))
          #expect(trace.hops.allSatisfy { $0.elapsed >= $0.computeTime && $0.computeTime > .zero })
        }
        #expect(try await tokens(.greedy, traced: false).allSatisfy { $0.trace == nil })
        // Drawn at such a temperature every token of the vocabulary is about as likely.
        let drawn = try await tokens(SamplingParameters(temperature: 100), traced: true)
        let first = try #require(drawn.first?.trace?.rank)
        let hidden = try await client.forward(try model.ends.embed(prompt))
        let scores = try await model.ends.logits(hidden, lastOnly: true).last
        let id = scores.startIndex + Int(try #require(drawn.first).id)
        // Without a cache sums have another order: scores may differ in their last digits.
        let slack: Float = 0.001
        #expect(
          (scores.count { $0 > scores[id] + slack }
            + 1...scores.count {
              $0 >= scores[id] - slack
            }).contains(first))
        #expect(drawn.contains { $0.trace?.rank != 1 })
      }
    }
  }
}
