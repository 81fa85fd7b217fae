import Bloom
import Foundation
import TestSupport
import TestVectors
import Testing

@Suite("Block ranges")
struct BlockRangeTests {
  @Test("Any number of nodes from 1 to 24 gets disjoint, complete, even ranges", arguments: 1...24)
  func split(_ nodes: Int) throws {
    let ranges = try BlockRange.split(blockCount: 24, into: nodes)
    #expect(ranges.count == nodes)
    #expect(ranges.flatMap { Array($0.indices) } == Array(0..<24))
    let lengths = ranges.map(\.count)
    #expect((lengths.max() ?? 0) - (lengths.min() ?? 0) <= 1)
    try BlockRange.validateCoverage(ranges)
  }

  @Test("Two nodes get blocks 0-11 and 12-23")
  func documented() throws {
    #expect(try BlockRange.split(blockCount: 24, into: 2).map(\.description) == ["0-11", "12-23"])
  }

  @Test("A text and its range are the same", arguments: ["0-11", "12-23", "0-23", "7-7"])
  func parsing(_ text: String) throws {
    #expect(try BlockRange(parsing: text, of: 24).description == text)
  }

  @Test("A single number is one block")
  func single() throws {
    #expect(try BlockRange(parsing: "7", of: 24).indices == 7..<8)
  }

  @Test(
    "A text that is no range is refused",
    arguments: ["", "-", "a-b", "1-", "-1", "1-2-3", " 1-2", "+1-2", "0x1-2", "1–2", "９-10"])
  func malformed(_ text: String) {
    #expect(throws: BlockRangeError.malformed(text)) { try BlockRange(parsing: text, of: 24) }
  }

  @Test("Reversed, empty and outlying ranges are refused by name")
  func impossible() {
    #expect(throws: BlockRangeError.reversed("11-0")) { try BlockRange(parsing: "11-0", of: 24) }
    #expect(throws: BlockRangeError.outsideModel("12-24", blockCount: 24)) {
      try BlockRange(parsing: "12-24", of: 24)
    }
    #expect(throws: BlockRangeError.outsideModel("-1-3", blockCount: 24)) {
      try BlockRange(-1..<4, of: 24)
    }
    #expect(throws: BlockRangeError.empty("4-3")) { try BlockRange(4..<4, of: 24) }
    #expect(throws: BlockRangeError.malformed("0-9223372036854775807")) {
      try BlockRange(parsing: "0-9223372036854775807", of: 24)
    }
  }

  @Test("More nodes than blocks, or none, is refused", arguments: [0, -1, 25])
  func impossibleSplit(_ nodes: Int) {
    #expect(throws: BlockRangeError.impossibleSplit(nodes: nodes, blockCount: 24)) {
      try BlockRange.split(blockCount: 24, into: nodes)
    }
  }

  @Test("Ranges with a gap, an overlap, in the wrong order or of other models are refused by name")
  func cover() throws {
    func ranges(_ texts: String...) throws -> [BlockRange] {
      try texts.map { try BlockRange(parsing: $0, of: 24) }
    }
    #expect(throws: BlockRangeError.gap(missing: 10..<12)) {
      try BlockRange.validateCoverage(ranges("0-9", "12-23"))
    }
    #expect(throws: BlockRangeError.gap(missing: 12..<24)) {
      try BlockRange.validateCoverage(ranges("0-11"))
    }
    #expect(throws: BlockRangeError.overlap("11-23", alreadyCovered: 12)) {
      try BlockRange.validateCoverage(ranges("0-11", "11-23"))
    }
    #expect(throws: BlockRangeError.gap(missing: 0..<12)) {
      try BlockRange.validateCoverage(ranges("12-23", "0-11"))
    }
    #expect(throws: BlockRangeError.noRanges) { try BlockRange.validateCoverage([]) }
    let other = try BlockRange(12..<13, of: 13)
    #expect(throws: BlockRangeError.self) {
      try BlockRange.validateCoverage(ranges("0-11") + [other])
    }
  }
}

/// That the numbers are the reference's is shown by the golden suites, which have an untied model.
@Suite("LM heads of their own")
struct LanguageModelHeadTests {
  private static let head = "lm_head.weight"
  private static let embedding = "word_embeddings.weight"

  private func logits(_ checkpoint: Checkpoint) async throws -> [Float] {
    let shard = try Shard(
      checkpoint, blocks: BlockRange(all: checkpoint.configuration.blockCount))
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

  @Test("An untied model without its head, or with a malformed one, is refused by name")
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
