import Bloom
import Foundation
import TestSupport
import Testing

@Suite("Faulty checkpoints")
struct CheckpointFaultTests {
  struct Fault: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// What the message must name.
    let words: [String]
    let apply: @Sendable (inout SmallCheckpoint, URL) throws -> Void

    init(
      _ name: String, _ words: String...,
      apply: @escaping @Sendable (inout SmallCheckpoint, URL) throws -> Void
    ) {
      testDescription = name
      self.words = words
      self.apply = apply
    }
  }

  static let norm = "ln_f.weight"
  static let dense = "h.0.self_attention.dense.weight"

  static let header: [Fault] = [
    Fault("a file of five bytes", "truncated", "needs 8", "has 5") { checkpoint, folder in
      checkpoint.fileName = "unused"
      try Data([1, 2, 3, 4, 5]).write(to: folder.appending(path: "model.safetensors"))
    },
    Fault("a file that ends within its header", "truncated") { checkpoint, folder in
      checkpoint.fileName = "unused"
      try Data(checkpoint.weights.prefix(100))
        .write(to: folder.appending(path: "model.safetensors"))
    },
    Fault("an absurd header length", "a length up to", "18446744073709551615") {
      checkpoint, folder in
      checkpoint.fileName = "unused"
      try Data([UInt8](repeating: 255, count: 64))
        .write(to: folder.appending(path: "model.safetensors"))
    },
    Fault("a header that is no JSON", "not valid JSON") { checkpoint, _ in
      checkpoint.padding = "x"
    },
    Fault("a header with a text that is not UTF-8", "header: a string is not UTF-8 at byte 2") {
      checkpoint, folder in
      checkpoint.fileName = "unused"
      try Data([5, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xff, 0x22, 0x7d])
        .write(to: folder.appending(path: "model.safetensors"))
    },
    Fault("a file that lost its end", "ln_f.bias", "outside", "the file is truncated") {
      checkpoint, _ in
      checkpoint.data.removeLast(8)
    },
    Fault("offsets beyond the file", norm, "outside", "its header is wrong") { checkpoint, _ in
      checkpoint.change(norm) { $0.offsets = [900_000, 900_024] }
    },
    Fault("offsets in descending order", norm, "data_offsets") { checkpoint, _ in
      checkpoint.change(norm) { $0.offsets = [$0.offsets[1], $0.offsets[0]] }
    },
    Fault("overlapping tensors", "overlaps", "ln_f") { checkpoint, _ in
      checkpoint.change(norm) { $0.offsets = $0.offsets.map { $0 - 4 } }
    },
    Fault("bytes of no tensor", "belong to no tensor") { checkpoint, _ in
      checkpoint.data += [0, 0, 0, 0]
    },
    Fault("fewer bytes than the shape needs", norm, "needs 24", "give 20") { checkpoint, _ in
      checkpoint.change(norm) { $0.offsets[1] -= 4 }
    },
    Fault("a shape with a negative size", norm, "shape") { checkpoint, _ in
      checkpoint.change(norm) { $0.shape = [-6] }
    },
    Fault("a shape that overflows", norm, "2^63") { checkpoint, _ in
      checkpoint.change(norm) { $0.shape = [1 << 40, 1 << 40] }
    },
    Fault("an unknown type", norm, "F32", "F4") { checkpoint, _ in
      checkpoint.change(norm) { $0.type = "F4" }
    },
  ]

  static let tensors: [Fault] = [
    Fault("a tensor of integers", norm, "expected type F32, F16 or BF16", "I32") {
      checkpoint, _ in
      checkpoint.change(norm) { $0.type = "I32" }
    },
    Fault("a missing tensor", dense, "missing", "[6, 6]") { checkpoint, _ in
      checkpoint.change(dense) { $0.name = "other" }
    },
    Fault("a transposed shape", dense, "[6, 6]", "[4, 9]") { checkpoint, _ in
      checkpoint.change(dense) { $0.shape = [4, 9] }
    },
    Fault("a tensor with and without prefix", "transformer.ln_f.weight", "once") {
      checkpoint, _ in
      let start = checkpoint.data.count
      checkpoint.data += [UInt8](repeating: 0, count: 24)
      checkpoint.tensors.append(
        .init(
          name: "transformer.\(norm)", type: "F32", shape: [6], offsets: [start, start + 24]))
    },
    Fault("more blocks in the configuration than in the file", "h.1.input_layernorm", "missing") {
      checkpoint, _ in
      checkpoint.fields["n_layer"] = "2"
    },
    Fault("another vocabulary in the configuration", "word_embeddings.weight", "[11, 6]") {
      checkpoint, _ in
      checkpoint.fields["vocab_size"] = "11"
    },
    Fault("another hidden size in the configuration", "[10, 8]", "[10, 6]") { checkpoint, _ in
      checkpoint.fields["hidden_size"] = "8"
    },
  ]

  static let files: [Fault] = [
    Fault("no weights", "neither model.safetensors nor") { checkpoint, _ in
      checkpoint.fileName = "other.safetensors"
    },
    Fault("an index that names a missing file", "gone.safetensors", "no such file") {
      checkpoint, folder in
      checkpoint.fileName = "part.safetensors"
      try index(#"{"weight_map": {"a": "gone.safetensors"}}"#, folder)
    },
    Fault("an index that leaves its folder", "same folder", "../x") { checkpoint, folder in
      checkpoint.fileName = "part.safetensors"
      try index(#"{"weight_map": {"a": "../x"}}"#, folder)
    },
    Fault("an index that promises a tensor", "ghost", "a file without it") {
      checkpoint, folder in
      checkpoint.fileName = "part.safetensors"
      try index(#"{"weight_map": {"ghost": "part.safetensors"}}"#, folder)
    },
    Fault("an index without a map", "weight_map") { checkpoint, folder in
      checkpoint.fileName = "part.safetensors"
      try index("{}", folder)
    },
  ]

  private static func index(_ text: String, _ folder: URL) throws {
    try Data(text.utf8).write(to: folder.appending(path: "model.safetensors.index.json"))
  }

  @Test("The unspoilt checkpoint opens")
  func unspoilt() async throws {
    try await withTemporaryFolder { folder in
      try SmallCheckpoint().write(to: folder)
      let checkpoint = try Checkpoint(directory: folder)
      #expect(checkpoint.configuration == SmallCheckpoint.configuration)
    }
  }

  @Test("A faulty checkpoint is refused by name", arguments: header + tensors + files)
  func refused(_ fault: Fault) async throws {
    try await withTemporaryFolder { folder in
      var checkpoint = SmallCheckpoint()
      try fault.apply(&checkpoint, folder)
      try checkpoint.write(to: folder)
      let error = try #require(throws: CheckpointError.self) {
        try Checkpoint(directory: folder)
      }
      for word in fault.words { #expect("\(error)".contains(word), "\(error)") }
    }
  }

  @Test("A named pipe in a file's place is refused, and nobody waits for a writer")
  func namedPipe() async throws {
    for name in ["config.json", "model.safetensors"] {
      try await withTemporaryFolder { folder in
        try SmallCheckpoint().write(to: folder)
        let file = folder.appending(path: name)
        try FileManager.default.removeItem(at: file)
        #expect(mkfifo(file.path, 0o600) == 0)
        let error = try #require(throws: CheckpointError.self) {
          try Checkpoint(directory: folder)
        }
        #expect("\(error)".contains(name) && "\(error)".contains("not a regular file"))
      }
    }
  }

  @Test("A missing folder and a missing configuration are refused by name")
  func missing() async throws {
    try await withTemporaryFolder { folder in
      let gone = folder.appending(path: "gone")
      #expect(throws: CheckpointError.missingFolder(path: gone.path(percentEncoded: false))) {
        try Checkpoint(directory: gone)
      }
      let error = try #require(throws: CheckpointError.self) {
        try Checkpoint(directory: folder)
      }
      #expect("\(error)".contains("config.json: no such file"))
    }
  }

  @Test("A weight that is no number is found by the full check")
  func notANumber() async throws {
    try await withTemporaryFolder { folder in
      var checkpoint = SmallCheckpoint()
      let tensor = try #require(checkpoint.tensors.first { $0.name == Self.dense })
      let nan = withUnsafeBytes(of: Float.nan.bitPattern.littleEndian, Array.init)
      checkpoint.data.replaceSubrange(tensor.offsets[0] + 8..<tensor.offsets[0] + 12, with: nan)
      try checkpoint.write(to: folder)
      let opened = try Checkpoint(directory: folder)
      let error = try await #require(throws: CheckpointError.self) {
        try await CheckpointReport(opened)
      }
      #expect("\(error)".contains(Self.dense) && "\(error)".contains("element 2"))
    }
  }
}

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
