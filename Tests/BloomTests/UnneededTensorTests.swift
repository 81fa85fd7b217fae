import Bloom
import Foundation
import Testing

/// Files may hold more than a BLOOM model; what it does not need is not judged.
@Suite("Tensors that a model does not need")
struct UnneededTensorTests {
  /// Element types with the bytes that eight elements take, and one that nobody knows.
  static let types: [(name: String, bytes: Int)] = [
    ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("BOOL", 8), ("U8", 8), ("I8", 8), ("F8_E5M2", 8),
    ("F8_E4M3", 8), ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16),
    ("U16", 16), ("I32", 32), ("U32", 32), ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
    ("F3_E1M1", 3),
  ]

  @Test("They may be of any type", arguments: types)
  func any(_ type: (name: String, bytes: Int)) async throws {
    var checkpoint = SmallCheckpoint()
    let expected = try await checkpoint.opened().fingerprint
    for name in ["extra.mask", "lm_head.weight", "word_embeddings.weight_scale"] {
      checkpoint.add(name, type.name, [2, 4], [UInt8](repeating: 7, count: type.bytes))
    }
    let opened = try await checkpoint.opened()
    #expect(opened.fingerprint == expected)
    #expect(
      try await LocalGenerator(opened).generate(.init(prompt: [5], maxNewTokens: 1)).ids != [])
  }

  @Test("A tensor that is needed is refused by its type", arguments: types)
  func needed(_ type: (name: String, bytes: Int)) async throws {
    var checkpoint = SmallCheckpoint()
    // A vector, which can be no 8-bit weights.
    checkpoint.change("ln_f.weight") { $0.name = "unneeded" }
    let bytes = type.name == "F3_E1M1" ? 3 : type.bytes * 6 / 8
    let count = type.bytes * 6 % 8 == 0 ? 6 : 8
    checkpoint.add(
      "ln_f.weight", type.name, [count],
      [UInt8](repeating: 0, count: count == 6 ? bytes : type.bytes))
    let error = try await #require(throws: CheckpointError.self) {
      try await checkpoint.opened()
    }
    #expect("\(error)".contains("ln_f.weight: expected type F32, F16 or BF16"), "\(error)")
    #expect("\(error)".contains("found \(type.name)"), "\(error)")
  }

  @Test("Elements smaller than a byte fill whole bytes together, as many as their shape needs")
  func subByte() async throws {
    for (type, count, bytes, words) in [
      ("F4", 3, 2, "whole bytes"), ("F6_E2M3", 2, 2, "whole bytes"),
      ("F4", 4, 3, "needs 2 bytes as F4"), ("F6_E3M2", 4, 4, "needs 3 bytes as F6_E3M2"),
      ("C64", 1, 4, "needs 8 bytes as C64"),
    ] {
      var checkpoint = SmallCheckpoint()
      checkpoint.add("extra", type, [count], [UInt8](repeating: 0, count: bytes))
      let error = try await #require(throws: CheckpointError.self) {
        try await checkpoint.opened()
      }
      #expect("\(error)".contains("extra") && "\(error)".contains(words), "\(error)")
    }
  }

  @Test("Their bytes are the file's all the same")
  func bytes() async throws {
    var checkpoint = SmallCheckpoint()
    checkpoint.add("extra", "X9", [1 << 40], [1, 2, 3, 4])
    checkpoint.change("extra") { $0.offsets[0] -= 2 }
    let error = try await #require(throws: CheckpointError.self) { try await checkpoint.opened() }
    #expect("\(error)".contains("overlaps"), "\(error)")
  }
}

/// Shards that hold more than their index says.
@Suite("Shards")
struct ShardFileTests {
  private static let norm = "ln_f.weight"

  /// Two files that both hold `ln_f.weight`, ones in the first and twos in the second.
  private func open(_ map: [String: String], prefix: String = "") async throws -> Checkpoint {
    try await withTemporaryFolder { folder in
      var first = SmallCheckpoint()
      for index in 0..<6 { first.set(Self.norm, index, to: 1) }
      first.fileName = "first.safetensors"
      try first.write(to: folder)
      var second = SmallCheckpoint()
      second.tensors = []
      second.data = []
      second.add(prefix + Self.norm, [6], [Float](repeating: 2, count: 6))
      second.fileName = "second.safetensors"
      try second.write(to: folder)
      let names = first.tensors.map(\.name).filter { $0 != Self.norm }
      let all = Dictionary(uniqueKeysWithValues: names.map { ($0, "first.safetensors") })
        .merging(map) { $1 }
      let index = try JSONEncoder().encode(["weight_map": all])
      try index.write(to: folder.appending(path: "model.safetensors.index.json"))
      return try Checkpoint(directory: folder)
    }
  }

  private func norm(_ checkpoint: Checkpoint) async throws -> Float? {
    try await CheckpointReport(checkpoint).tensors.first { $0.name == Self.norm }?.largestMagnitude
  }

  @Test("Of a tensor that two hold, the index says which counts")
  func both() async throws {
    #expect(try await norm(open([Self.norm: "first.safetensors"])) == 1)
    // The second file must be named for it to be opened.
    #expect(try await norm(open([Self.norm: "second.safetensors"])) == 2)
    let prefixed = "transformer.\(Self.norm)"
    #expect(
      try await norm(open([prefixed: "second.safetensors"], prefix: "transformer.")) == 2)
  }

  @Test("An index that names a tensor twice, by two spellings, is refused")
  func spellings() async throws {
    let prefixed = "transformer.\(Self.norm)"
    let error = try await #require(throws: CheckpointError.self) {
      try await open(
        [Self.norm: "first.safetensors", prefixed: "second.safetensors"], prefix: "transformer.")
    }
    #expect("\(error)".contains("expected each tensor once"), "\(error)")
  }
}
