import Bloom
import Foundation
import TestVectors
import Testing

/// That the numbers are the reference's is shown by the golden suites, which have an untied model.
@Suite("LM heads of their own")
struct LanguageModelHeadTests {
  private static let head = "lm_head.weight"
  private static let embedding = "word_embeddings.weight"

  private func logits(_ checkpoint: Checkpoint) async throws -> [Float] {
    let shard = try Shard(
      checkpoint, layers: LayerRange(all: checkpoint.configuration.layerCount))
    let states = try await shard.forward(Embedding(checkpoint)([1, 5, 7]))
    return try await LanguageModelHead(checkpoint).logits(states).values
  }

  private func untied(_ head: [Float]) -> SmallCheckpoint {
    var checkpoint = SmallCheckpoint()
    checkpoint.fields["tie_word_embeddings"] = "false"
    checkpoint.add(Self.head, [10, 6], head)
    return checkpoint
  }

  @Test("An untied head scores, and the embedding still embeds")
  func head() async throws {
    let small = SmallCheckpoint()
    let tied = try await logits(small.opened())
    let same = try await logits(untied(small.values(Self.embedding)).opened())
    #expect(same == tied)
    let doubled = try await logits(untied(small.values(Self.embedding).map { 2 * $0 }).opened())
    #expect(doubled == tied.map { 2 * $0 })
  }

  @Test("A head beside a tied embedding is not looked at", arguments: [nil, "true", "null"])
  func tied(_ value: String?) async throws {
    let expected = try await logits(SmallCheckpoint().opened())
    var checkpoint = untied([Float](repeating: .nan, count: 60))
    checkpoint.fields["tie_word_embeddings"] = value
    let opened = try await checkpoint.opened()
    #expect(try await logits(opened) == expected)
    #expect(try await opened.fingerprint == SmallCheckpoint().opened().fingerprint)
    _ = try await CheckpointReport(opened)
  }

  @Test("An untied model without its head, or with one that is none, is refused by name")
  func missing() async throws {
    var checkpoint = SmallCheckpoint()
    checkpoint.fields["tie_word_embeddings"] = "false"
    let missing = try await #require(throws: CheckpointError.self) {
      try await checkpoint.opened()
    }
    #expect("\(missing)".contains("\(Self.head): missing; expected shape [10, 6]"), "\(missing)")
    checkpoint.add(Self.head, "F32", [9, 6], [UInt8](repeating: 0, count: 9 * 24))
    let small = try await #require(throws: CheckpointError.self) { try await checkpoint.opened() }
    #expect("\(small)".contains(Self.head) && "\(small)".contains("[9, 6]"), "\(small)")
    checkpoint.fields["tie_word_embeddings"] = "0"
    let number = try await #require(throws: CheckpointError.self) { try await checkpoint.opened() }
    #expect("\(number)".contains("tie_word_embeddings"), "\(number)")
  }

  @Test("The head counts among the parameters, in the report and in what tells models apart")
  func counted() async throws {
    let tied = try await SmallCheckpoint().opened()
    let heads = (0..<2).map { [Float](repeating: Float($0), count: 60) }
    let first = try await untied(heads[0]).opened()
    let second = try await untied(heads[1]).opened()
    #expect(first.configuration.parameterCount == tied.configuration.parameterCount + 60)
    let report = try await CheckpointReport(second)
    #expect(report.parameterCount == second.configuration.parameterCount)
    #expect(report.tensors.last?.name == Self.head)
    #expect(report.tensors.last?.largestMagnitude == 1)
    #expect(Set([tied, first, second].map(\.fingerprint)).count == 3)
    let broken = try await untied([Float](repeating: .infinity, count: 60)).opened()
    let error = try await #require(throws: CheckpointError.self) {
      try await CheckpointReport(broken)
    }
    #expect("\(error)".contains(Self.head), "\(error)")
  }

  @Test("A quantized copy keeps the head, and what the folder says of texts")
  func quantized() async throws {
    let source = try GoldenModel.of(.untiedF16).checkpoint
    try await withTemporaryFolder { folder in
      let target = folder.appending(path: "q8")
      try ModelQuantizer.quantize(source, into: target)
      let copy = try Checkpoint(directory: target)
      let report = try await CheckpointReport(copy)
      #expect(report.tensors.last?.name == Self.head)
      #expect(report.tensors.last?.type == .q8)
      #expect(copy.configuration == source.configuration)
      #expect(copy.generationDefaults == source.generationDefaults)
    }
  }
}
