import Bloom
import Foundation
import TestSupport
import TestVectors
import Testing

/// Checkpoints with quantized weights, beside the checkpoints that they were made from.
@Suite("Models of quantized weights")
struct QuantizedModelTests {
  /// How far any logit may lie from that of the float weights, relative to the largest one.
  private static func tolerance(_ type: QuantizedType) -> Float { type == .q8 ? 0.06 : 0.65 }
  /// How far all together may, relative to their own size: root of the mean square by the same.
  private static func meanTolerance(_ type: QuantizedType) -> Double { type == .q8 ? 0.03 : 0.5 }

  private func quantized<Result>(
    _ source: Checkpoint, as type: QuantizedType, _ body: (Checkpoint) async throws -> Result
  ) async throws -> Result {
    try await withTemporaryFolder { folder in
      let target = folder.appending(path: "quantized")
      try ModelQuantizer.quantize(source, as: type, into: target)
      return try await body(Checkpoint(directory: target))
    }
  }

  /// The tiny model in a folder of its own: what is quantized must still be there.
  private func quantizedTiny<Result>(
    as type: QuantizedType, _ body: (Checkpoint) async throws -> Result
  ) async throws -> Result {
    try await withTemporaryFolder { folder in
      let source = folder.appending(path: "source")
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f16, into: source)
      return try await quantized(Checkpoint(directory: source), as: type, body)
    }
  }

  private func logits(_ checkpoint: Checkpoint, _ ids: [Int32]) async throws -> [Float] {
    let shard = try Shard(
      checkpoint, blocks: BlockRange(all: checkpoint.configuration.blockCount))
    let states = try await shard.forward(Embedding(checkpoint)(ids))
    return try await LanguageModelHead(checkpoint).logits(states).values
  }

  @Test(
    "Logits of a golden model lie near those of the float weights",
    arguments: TestVectors.Model.allCases, QuantizedType.allCases)
  func logits(_ model: TestVectors.Model, _ type: QuantizedType) async throws {
    let source = try GoldenModel.of(model).checkpoint
    let size = source.configuration.vocabularySize
    try await quantized(source, as: type) { checkpoint in
      #expect(checkpoint.elementType == type.elementType)
      for length in [1, 5, 40] {
        let ids = (0..<length).map { Int32(($0 * 37 + 5) % size) }
        let expected = try await logits(source, ids)
        let found = try await logits(checkpoint, ids)
        expectClose(found, expected, tolerance: Self.tolerance(type), "\(model.rawValue)")
        #expect(found != expected)
        let error = zip(found, expected).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
        let size = expected.reduce(0.0) { $0 + pow(Double($1), 2) }
        #expect((error / size).squareRoot() <= Self.meanTolerance(type))
      }
    }
  }

  @Test("One token at a time, a batch and a whole prompt agree", arguments: QuantizedType.allCases)
  func ways(_ type: QuantizedType) async throws {
    try await quantizedTiny(as: type) { checkpoint in
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

  @Test("Gradients lie near those of the float weights", arguments: QuantizedType.allCases)
  func gradient(_ type: QuantizedType) async throws {
    let source = try GoldenModel.of(.tinyF16).checkpoint
    let input = try Embedding(source)([7, 8, 9, 10, 11, 12])
    let output = try Embedding(source)([13, 14, 15, 16, 17, 18])
    let layers = try BlockRange(1..<3, of: source.configuration.blockCount)
    let expected = try await Shard(source, blocks: layers)
      .backward(input: input, outputGradient: output)
    try await quantized(source, as: type) { checkpoint in
      let found = try await Shard(checkpoint, blocks: layers)
        .backward(input: input, outputGradient: output)
      expectClose(
        found.values, expected.values, tolerance: Self.tolerance(type), "gradient")
    }
  }

  @Test(
    "A synthesized model has the same weights as the quantized float32 model of its seed",
    arguments: QuantizedType.allCases)
  func synthesized(_ type: QuantizedType) async throws {
    try await withTemporaryFolder { folder in
      let floats = folder.appending(path: "f32")
      let made = folder.appending(path: "made")
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f32, seed: 3, into: floats)
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: type.elementType, seed: 3, into: made)
      let expected = try Checkpoint(directory: made)
      try await quantized(Checkpoint(directory: floats), as: type) { checkpoint in
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

  @Test("A model that is quantized already to 8 bits stays as it is")
  func twice() async throws {
    try await quantizedTiny(as: .q8) { once in
      let first = try await CheckpointReport(once)
      try await quantized(once, as: .q8) { twice in
        let second = try await CheckpointReport(twice)
        #expect(second.tensors == first.tensors)
      }
    }
  }

  @Test("4-bit weights take half the bytes of 8-bit ones, and either becomes the other")
  func sizes() async throws {
    try await quantizedTiny(as: .q8) { eight in
      try await quantized(eight, as: .q4) { four in
        let reports = [try await CheckpointReport(eight), try await CheckpointReport(four)]
        let matrices = reports.map { $0.tensors.filter { $0.shape.count == 2 } }
        #expect(matrices[0].map(\.shape) == matrices[1].map(\.shape))
        #expect(matrices[1].allSatisfy { $0.type == .q4 })
        #expect(matrices[0].map(\.byteCount) == matrices[1].map { 2 * $0.byteCount })
        #expect(four.largestBlockBytes < eight.largestBlockBytes)
        try await quantized(four, as: .q8) { back in #expect(back.elementType == .q8) }
      }
    }
  }
}

@Suite("Faulty checkpoints of quantized weights")
struct QuantizedFaultTests {
  private static let dense = "h.0.self_attention.dense.weight"

  /// A checkpoint whose one matrix is quantized; `scales` and `weights` change its tensors.
  private func checkpoint(
    _ type: QuantizedType, scale: Float = 0.5,
    scales: (inout SmallCheckpoint.Tensor) -> Void = { _ in },
    weights: (inout SmallCheckpoint.Tensor) -> Void = { _ in }
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
    let bits = withUnsafeBytes(of: scale.bitPattern.littleEndian, Array.init)
    let own = type == .q8 ? bits : Array(bits.suffix(2))
    result.add(
      Self.dense + "_scale", type == .q8 ? "F32" : "BF16", [6, 1],
      (0..<6).flatMap { _ in own })
    // Integers from -8 on; of 4 bits, the first of a row alone.
    switch type {
    case .q8:
      result.add(Self.dense, "I8", [6, 6], (0..<36).map { UInt8(bitPattern: Int8($0) - 18) })
    case .q4:
      result.add(
        Self.dense, "U8", [6, 32],
        (0..<6).flatMap { [UInt8(8 + $0)] + [UInt8](repeating: 0, count: 31) })
    }
    result.change(Self.dense + "_scale", scales)
    result.change(Self.dense, weights)
    return result
  }

  private func expectRefusal(_ checkpoint: SmallCheckpoint, _ words: String...) async throws {
    try await withTemporaryFolder { folder in
      try checkpoint.write(to: folder)
      let error = try #require(throws: CheckpointError.self) { try Checkpoint(directory: folder) }
      for word in words { #expect("\(error)".contains(word), "\(error)") }
    }
  }

  @Test("The unspoilt one opens, wherever its scales lie", arguments: QuantizedType.allCases)
  func unspoilt(_ type: QuantizedType) async throws {
    for padding in ["", " "] {
      try await withTemporaryFolder { folder in
        var small = checkpoint(type)
        small.padding = padding
        try small.write(to: folder)
        let opened = try Checkpoint(directory: folder)
        let report = try await CheckpointReport(opened)
        let matrix = try #require(report.tensors.first { $0.name == Self.dense })
        #expect(matrix.type == type.elementType)
        #expect(matrix.shape == [6, 6])
        #expect(matrix.byteCount == (type == .q8 ? 36 + 24 : 192 + 12))
        #expect(matrix.largestMagnitude == (type == .q8 ? 9 : 4))
        let states = try Embedding(opened)([1, 2])
        let output = try await Shard(opened, blocks: BlockRange(all: 1)).forward(states)
        #expect(output.values.allSatisfy { $0.isFinite })
      }
    }
  }

  @Test(
    "Scales that are missing, of another type or of another shape are refused by name",
    arguments: QuantizedType.allCases)
  func scales(_ type: QuantizedType) async throws {
    let name = Self.dense + "_scale"
    try await expectRefusal(checkpoint(type, scales: { $0.name = "other" }), name, "missing")
    let expected = type == .q8 ? "F32" : "BF16"
    let other = type == .q8 ? "I32" : "F16"
    try await expectRefusal(
      checkpoint(type, scales: { $0.type = other }), name, "expected type \(expected)", other)
    try await expectRefusal(
      checkpoint(type, scales: { $0.shape = [1, 6] }), name, "[6, 1]", "[1, 6]")
  }

  @Test("Integers whose rows are no whole groups of 4 bits are refused by name")
  func weights() async throws {
    try await expectRefusal(
      checkpoint(.q4, weights: { $0.shape = [12, 16] }), Self.dense, "[6, 32]", "[12, 16]")
    try await expectRefusal(
      checkpoint(.q4, weights: { $0.type = "BOOL" }), Self.dense,
      "expected type F32, F16, BF16, I8 or U8", "BOOL")
  }

  @Test("A vector of integers is refused", arguments: QuantizedType.allCases)
  func vector(_ type: QuantizedType) async throws {
    var small = checkpoint(type)
    small.change("ln_f.weight") { $0.type = "I32" }
    try await expectRefusal(small, "ln_f.weight", "expected type F32, F16 or BF16")
  }

  @Test("A scale that is no number is found by the full check", arguments: QuantizedType.allCases)
  func notANumber(_ type: QuantizedType) async throws {
    try await withTemporaryFolder { folder in
      try checkpoint(type, scale: .nan).write(to: folder)
      let opened = try Checkpoint(directory: folder)
      let error = try await #require(throws: CheckpointError.self) {
        try await CheckpointReport(opened)
      }
      #expect("\(error)".contains(Self.dense + "_scale"))
    }
  }
}
