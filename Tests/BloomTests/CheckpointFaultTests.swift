import Bloom
import Foundation
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
