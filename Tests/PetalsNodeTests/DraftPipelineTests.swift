import Bloom
import Foundation
import PetalsNode
import PlumiseTesting
import TestSupport
import TestVectors
import Testing

/// Generation through nodes with a draft model of the client's.
@Suite("Draft models through nodes", .timeLimit(.minutes(5)))
struct DraftPipelineTests {
  let model: TinyModel
  let expected: [Int32]

  init() throws {
    model = try TinyModel()
    expected = try model.ids("case2.generated_ids")
  }

  /// A draft whose weights are rounded: few bits are wrong more often.
  private func withDraft<Result>(
    _ type: QuantizedType, tokens: Int = 4, _ body: (DraftModel) async throws -> Result
  ) async throws -> Result {
    try await withTemporaryFolder { folder in
      let target = folder.appending(path: "draft")
      try ModelQuantizer.quantize(model.checkpoint, as: type, into: target)
      let draft = try DraftModel(
        Checkpoint(directory: target), for: model.checkpoint, tokens: tokens)
      return try await body(draft)
    }
  }

  private func request(_ draft: DraftModel?, isTraced: Bool = false) throws -> PipelineRequest {
    try PipelineRequest(
      promptIDs: model.ids("case2.input_ids"), maxNewTokens: expected.count, isTraced: isTraced,
      draft: draft)
  }

  @Test(
    "Ids are those without a draft, in fewer passes", arguments: Reach.allCases, [[12], [8, 16]])
  func sameIDs(_ reach: Reach, _ cuts: [Int]) async throws {
    let itself = try DraftModel(model.checkpoint, for: model.checkpoint)
    try await withNodes(of: model, cuts: cuts) { nodes in
      try await reach.withTransports(to: nodes) { transports in
        try await withPipelineClient(model.ends, transports: transports) { client in
          let before = nodes.map(\.batches)
          let result = try await client.generate(request(itself)).collect()
          #expect(result.generatedIDs == expected)
          let statistics = try #require(result.draft)
          #expect(statistics.acceptance == 1)
          // The prompt, rounds of five tokens, and the last token where it is left alone.
          let rounds = (expected.count - 1 + 4) / 5
          #expect(zip(nodes, before).allSatisfy { $0.batches - $1 == 1 + rounds })
          for type in QuantizedType.allCases {
            try await withDraft(type) { draft in
              let result = try await client.generate(request(draft)).collect()
              #expect(result.generatedIDs == expected, "\(type)")
              #expect(result.draft?.proposed ?? 0 > 0)
            }
          }
        }
      }
    }
  }

  @Test("Sampled ids are those of one process with the same seed and draft")
  func sampled() async throws {
    try await withDraft(.q4) { draft in
      let sampling = try SamplingParameters(temperature: 1, topP: 0.95)
      let prompt = try model.ids("case2.input_ids")
      try await withNodes(of: model, cuts: [12]) { nodes in
        try await withPipelineClient(model.ends, transports: nodes.map(\.transport)) { client in
          for seed in 0..<4 as Range<UInt64> {
            let near = try await LocalGenerator(model.checkpoint).generate(
              Bloom.GenerationRequest(
                prompt: prompt, maxNewTokens: 12, sampling: sampling, seed: seed), draft: draft)
            let far = try await client.generate(
              PipelineRequest(
                promptIDs: prompt, maxNewTokens: 12, sampling: sampling, seed: seed, draft: draft)
            ).collect()
            #expect(far.generatedIDs == near.ids)
            #expect(far.draft == near.draft)
          }
        }
      }
    }
  }

  @Test(
    "A node that dies between two tokens is replaced, though its successor knows of no roll-back",
    arguments: [0, 1, 3, 6, 9], [0, 1 << 28])
  func replaced(_ token: Int, _ replayBudget: Int) async throws {
    try await withDraft(.q4, tokens: 3) { draft in
      for hop in [0, 1, 2] {
        let ranges = [0..<8, 8..<16, 16..<24, 0..<8, 8..<16, 16..<24]
        try await withNodes(of: model, serving: ranges) { nodes in
          try await withLinks(to: nodes[...], []) { links in
            let recovery = RecoveryPolicy(replayBudget: replayBudget)
            try await withPipelineClient(
              model.ends, peers: links.map(\.peer), recovery: recovery
            ) { client in
              let stream = try client.generate(request(draft))
              var ids: [Int32] = []
              for try await made in stream {
                ids.append(made.id)
                guard made.index == token else { continue }
                let peer = try #require(await stream.route).hops[hop].peer
                try await #require(links.first { $0.peer.description == peer }).cut()
              }
              #expect(ids == expected, "hop \(hop)")
            }
          }
        }
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

  @Test("Tokens that one pass verified have its hops once, and a rank each")
  func traced() async throws {
    let itself = try DraftModel(model.checkpoint, for: model.checkpoint)
    try await withNodes(of: model, cuts: [12]) { nodes in
      try await withPipelineClient(model.ends, transports: nodes.map(\.transport)) { client in
        var hops: [Int] = []
        let stream = try client.generate(request(itself, isTraced: true))
        for try await token in stream {
          let trace = try #require(token.trace)
          #expect(trace.rank == 1)
          hops.append(trace.hops.count)
        }
        // The prompt's pass gives one token, the next one five.
        #expect(hops.prefix(6) == [2, 2, 0, 0, 0, 0])
      }
    }
  }

  @Test("The HTTP API gives the same text with a draft")
  func http() async throws {
    let body = #"{"inputs":"Hello there","parameters":{"max_new_tokens":12,"do_sample":false}}"#
    func text(_ draft: DraftModel?) async throws -> String? {
      try await withNodes(of: model, cuts: []) { configuration in
        configuration.http = .init()
        configuration.draft = draft
      } _: { nodes in
        let answer = try await nodes[0].generate(body)
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.json["generated_text"]?.stringValue
      }
    }
    let expected = try #require(try await text(nil))
    try await withDraft(.q8) { draft in
      let drafted = try await text(draft)
      #expect(drafted == expected)
    }
  }

  @Test("A draft with another vocabulary is refused by name")
  func otherVocabulary() async throws {
    let other = try TinyModel(.oddF32Sharded).checkpoint
    let draft = try DraftModel(other, for: other)
    try await withNodes(of: model, cuts: []) { nodes in
      try await withPipelineClient(model.ends, transports: nodes.map(\.transport)) { client in
        let error = #expect(throws: NodeError.self) { try client.generate(request(draft)) }
        #expect(error?.code == .invalidArgument)
        #expect("\(error as Any)".contains("vocabulary"))
      }
    }
  }
}
