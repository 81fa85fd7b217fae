import Bloom
import Foundation
import TestSupport
import TestVectors
import Testing

/// Checkpoints with 8-bit weights, beside the checkpoints that they were made from.
@Suite("Models of 8-bit weights")
struct QuantizedModelTests {
  /// How far any logit may lie from that of the float weights, relative to the largest one.
  static let tolerance: Float = 0.06
  /// How far all together may, relative to their own size: root of the mean square by the same.
  static let meanTolerance = 0.03

  private func quantized<Result>(
    _ source: Checkpoint, _ body: (Checkpoint) async throws -> Result
  ) async throws -> Result {
    try await withTemporaryFolder { folder in
      let target = folder.appending(path: "q8")
      try ModelQuantizer.quantize(source, into: target)
      return try await body(Checkpoint(directory: target))
    }
  }

  /// The tiny model in a folder of its own: what is quantized must still be there.
  private func quantizedTiny<Result>(
    _ body: (Checkpoint) async throws -> Result
  ) async throws -> Result {
    try await withTemporaryFolder { folder in
      let source = folder.appending(path: "source")
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f16, into: source)
      return try await quantized(Checkpoint(directory: source), body)
    }
  }

  private func logits(_ checkpoint: Checkpoint, _ ids: [Int32]) async throws -> [Float] {
    let shard = try Shard(
      checkpoint, blocks: BlockRange(all: checkpoint.configuration.blockCount))
    let states = try await shard.forward(Embedding(checkpoint)(ids))
    return try await LanguageModelHead(checkpoint).logits(states).values
  }

  @Test(
    "Logits lie near those of the float weights", arguments: TestVectors.Model.allCases, [1, 5, 40])
  func logits(_ model: TestVectors.Model, _ length: Int) async throws {
    let source = try GoldenModel.of(model).checkpoint
    let size = source.configuration.vocabularySize
    let ids = (0..<length).map { Int32(($0 * 37 + 5) % size) }
    let expected = try await logits(source, ids)
    try await quantized(source) { checkpoint in
      #expect(checkpoint.elementType == .q8)
      let found = try await logits(checkpoint, ids)
      expectClose(found, expected, tolerance: Self.tolerance, "\(model.rawValue)")
      #expect(found != expected)
      let error = zip(found, expected).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
      let size = expected.reduce(0.0) { $0 + pow(Double($1), 2) }
      #expect((error / size).squareRoot() <= Self.meanTolerance)
    }
  }

  @Test("One token at a time, a batch and a whole prompt agree")
  func ways() async throws {
    try await quantizedTiny { checkpoint in
      let shard = try Shard(checkpoint, blocks: BlockRange(0..<6, of: 24))
      let states = try Embedding(checkpoint)(TinyModel.prompt(40))
      let cache = shard.makeCache(maximumLength: 40)
      var single: [Float] = []
      for token in 0..<40 {
        single += try await shard.forward(states.slice(token..<token + 1), cache: cache).values
      }
      let whole = try await shard.forward(states).values
      // A whole prompt converts weights, single tokens round their vectors to 16 bits.
      expectClose(single, whole, tolerance: 2e-4, "token by token")
      let few = shard.makeCache(maximumLength: 40)
      var batched: [Float] = []
      for first in stride(from: 0, to: 40, by: 5) {
        batched += try await shard.forward(states.slice(first..<first + 5), cache: few).values
      }
      expectClose(batched, single, tolerance: 2e-5, "five at a time")
    }
  }

  @Test("Gradients lie near those of the float weights")
  func gradient() async throws {
    let source = try GoldenModel.of(.tinyF16).checkpoint
    let input = try Embedding(source)([7, 8, 9, 10, 11, 12])
    let output = try Embedding(source)([13, 14, 15, 16, 17, 18])
    let layers = try BlockRange(1..<3, of: source.configuration.blockCount)
    let expected = try await Shard(source, blocks: layers)
      .backward(input: input, outputGradient: output)
    try await quantized(source) { checkpoint in
      let found = try await Shard(checkpoint, blocks: layers)
        .backward(input: input, outputGradient: output)
      expectClose(found.values, expected.values, tolerance: Self.tolerance, "gradient")
    }
  }

  @Test("A synthesized model has the same weights as the quantized float32 model of its seed")
  func synthesized() async throws {
    try await withTemporaryFolder { folder in
      let floats = folder.appending(path: "f32")
      let made = folder.appending(path: "made")
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f32, seed: 3, into: floats)
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: .q8, seed: 3, into: made)
      let expected = try Checkpoint(directory: made)
      try await quantized(Checkpoint(directory: floats)) { checkpoint in
        #expect(checkpoint.fingerprint == expected.fingerprint)
        let bytes = try [checkpoint, expected].map {
          try Data(contentsOf: $0.directory.appending(path: "model.safetensors"))
        }
        #expect(bytes[0] == bytes[1])
      }
    }
  }

  @Test("A checkpoint whose configuration is gone is refused by name")
  func gone() async throws {
    try await withTemporaryFolder { folder in
      let error = try #require(throws: CheckpointError.self) {
        try ModelQuantizer.quantize(TinyModel.checkpoint(), into: folder.appending(path: "q8"))
      }
      #expect("\(error)".contains("config.json: cannot be read"))
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      #expect(left.isEmpty)
    }
  }

  @Test("A model that is quantized already stays as it is")
  func twice() async throws {
    try await quantizedTiny { once in
      let first = try await CheckpointReport(once)
      try await quantized(once) { twice in
        let second = try await CheckpointReport(twice)
        #expect(second.tensors == first.tensors)
      }
    }
  }
}

@Suite("Faulty checkpoints of 8-bit weights")
struct QuantizedFaultTests {
  private static let dense = "h.0.self_attention.dense.weight"

  /// A checkpoint whose one matrix is of 8-bit weights; `scales` changes the tensor of its scales.
  private func checkpoint(
    _ scales: (inout SmallCheckpoint.Tensor) -> Void = { _ in }, scale: Float = 0.5
  ) -> SmallCheckpoint {
    var result = SmallCheckpoint()
    result.tensors.removeAll { $0.name == Self.dense }
    // What is left must cover the data without a gap.
    result.data = []
    for index in result.tensors.indices {
      let start = result.data.count
      result.data += [UInt8](repeating: 0, count: result.tensors[index].shape.reduce(4, *))
      result.tensors[index].offsets = [start, result.data.count]
    }
    let start = result.data.count
    for _ in 0..<6 {
      withUnsafeBytes(of: scale.bitPattern.littleEndian) { result.data += $0 }
    }
    var tensor = SmallCheckpoint.Tensor(
      name: Self.dense + "_scale", type: "F32", shape: [6, 1], offsets: [start, start + 24])
    scales(&tensor)
    result.tensors.append(tensor)
    result.data += (0..<36).map { UInt8(bitPattern: Int8($0) - 18) }
    result.tensors.append(
      .init(name: Self.dense, type: "I8", shape: [6, 6], offsets: [start + 24, start + 60]))
    return result
  }

  private func expectRefusal(_ checkpoint: SmallCheckpoint, _ words: String...) async throws {
    try await withTemporaryFolder { folder in
      try checkpoint.write(to: folder)
      let error = try #require(throws: CheckpointError.self) { try Checkpoint(directory: folder) }
      for word in words { #expect("\(error)".contains(word), "\(error)") }
    }
  }

  @Test("The unspoilt one opens, wherever its scales lie")
  func unspoilt() async throws {
    for padding in ["", " "] {
      try await withTemporaryFolder { folder in
        var small = checkpoint()
        small.padding = padding
        try small.write(to: folder)
        let opened = try Checkpoint(directory: folder)
        let report = try await CheckpointReport(opened)
        let matrix = try #require(report.tensors.first { $0.name == Self.dense })
        #expect(matrix.type == .q8)
        #expect(matrix.byteCount == 36 + 24)
        #expect(matrix.largestMagnitude == 9)
        let states = try Embedding(opened)([1, 2])
        let output = try await Shard(opened, blocks: BlockRange(all: 1)).forward(states)
        #expect(output.values.allSatisfy { $0.isFinite })
      }
    }
  }

  @Test("Scales that are missing, of another type or of another shape are refused by name")
  func scales() async throws {
    try await expectRefusal(checkpoint { $0.name = "other" }, Self.dense + "_scale", "missing")
    try await expectRefusal(
      checkpoint { $0.type = "I32" }, Self.dense + "_scale", "expected type F32", "I32")
    try await expectRefusal(
      checkpoint { $0.shape = [1, 6] }, Self.dense + "_scale", "[6, 1]", "[1, 6]")
  }

  @Test("A vector of integers is refused")
  func vector() async throws {
    var small = checkpoint()
    small.change("ln_f.weight") { $0.type = "I32" }
    try await expectRefusal(small, "ln_f.weight", "expected type F32, F16 or BF16")
  }

  @Test("A scale that is no number is found by the full check")
  func notANumber() async throws {
    try await withTemporaryFolder { folder in
      try checkpoint(scale: .nan).write(to: folder)
      let opened = try Checkpoint(directory: folder)
      let error = try await #require(throws: CheckpointError.self) {
        try await CheckpointReport(opened)
      }
      #expect("\(error)".contains(Self.dense + "_scale"))
    }
  }
}
