import Bloom
import Foundation
import TestSupport
import Testing
import TextKeys

@Suite("Safetensors files")
struct SafetensorsTests {
  @Test("What was written is read")
  func roundTrip() async throws {
    try await withTemporaryFolder { folder in
      let url = folder.appending(path: "x.safetensors")
      let values = (0..<6).map { Float($0) / 3 }
      try SafetensorsWriter.write(
        [("hidden_states", [2, 3], values), ("logits", [1], [.infinity])], to: url)
      let file = try Safetensors(url)
      #expect(file.descriptions.map(\.name) == ["hidden_states", "logits"])
      #expect(file.descriptions[0].shape == [2, 3])
      #expect(file.descriptions[0].byteCount == 24)
      #expect(file.metadata == ["format": "pt"])
      #expect(try file.floats("hidden_states") == values)
      #expect(try file.floats("logits") == [.infinity])
      let states = try file.hiddenStates("hidden_states")
      #expect(states.tokens == 2 && states.hidden == 3 && states.values == values)
      // The data is aligned, and nothing else is left in the folder.
      let names = try FileManager.default.contentsOfDirectory(
        atPath: folder.path(percentEncoded: false))
      #expect(names == ["x.safetensors"])
    }
  }

  @Test("A failed write leaves the old file and nothing else")
  func failedWrite() async throws {
    struct Interruption: Error {}
    try await withTemporaryFolder { folder in
      let url = folder.appending(path: "x.safetensors")
      try SafetensorsWriter.write([("a", [1], [1])], to: url)
      #expect(throws: Interruption.self) {
        try SafetensorsWriter.write(
          [.init(name: "b", type: .f32, shape: [1])], to: url
        ) { _, _ in throw Interruption() }
      }
      #expect(try Safetensors(url).floats("a") == [1])
      let names = try FileManager.default.contentsOfDirectory(
        atPath: folder.path(percentEncoded: false))
      #expect(names == ["x.safetensors"])
    }
  }

  @Test("A file that cannot be written is refused by name")
  func unwritable() throws {
    let url = URL(filePath: "/nonexistent/x.safetensors")
    let error = try #require(throws: CheckpointError.self) {
      try SafetensorsWriter.write([("a", [1], [1])], to: url)
    }
    #expect("\(error)".contains("/nonexistent/x.safetensors: cannot be written"))
  }

  @Test("A tensor of another name, type or shape is refused by name")
  func refused() async throws {
    try await withTemporaryFolder { folder in
      let url = folder.appending(path: "x.safetensors")
      try SafetensorsWriter.write([("cube", [1, 1, 2], [1, 2])], to: url)
      let file = try Safetensors(url)
      for body in [
        { _ = try file.floats("other") }, { _ = try file.integers("cube") },
        { _ = try file.hiddenStates("cube") },
      ] {
        let error = try #require(throws: CheckpointError.self) { try body() }
        #expect("\(error)".contains("x.safetensors: "))
      }
    }
  }

  @Test("Weights at odd addresses give the same results")
  func misaligned() async throws {
    try await withTemporaryFolder { folder in
      var results: [[Float]] = []
      for padding in ["", " ", "  ", "   "] {
        var checkpoint = SmallCheckpoint()
        checkpoint.padding = padding
        try checkpoint.write(to: folder)
        let opened = try Checkpoint(directory: folder)
        let shard = try Shard(opened, blocks: BlockRange(all: 1))
        results.append(try await shard.forward(Embedding(opened)([1, 2, 3])).values)
      }
      #expect(Set(results).count == 1)
    }
  }
}

/// Pairs that Swift takes for equal, and files do not.
private let equivalents = [("\u{e9}", "e\u{301}"), ("K", "\u{212a}"), ("\u{c5}", "\u{212b}")]

@Suite("Texts as keys")
struct TextKeyTests {
  @Test("Canonical equivalents are two keys")
  func keys() {
    for (one, two) in equivalents {
      #expect(one == two)
      #expect(TextKey(one) != TextKey(two))
      #expect((TextKey(one) < TextKey(two)) != (TextKey(two) < TextKey(one)))
      #expect(!one.isExactly(two))
      var values: TextDictionary<Int> = [:]
      values[one] = 1
      #expect(values[two] == nil)
      #expect(values.updateValue(2, forKey: two) == nil)
      values[two, default: 0] += 1
      #expect(values[one] == 1 && values[two] == 3 && values.count == 2)
      #expect(values == TextDictionary(uniqueKeysWithValues: [(two, 3), (one, 1)]))
      values[one] = nil
      #expect(values.map(\.key).count == 1 && values[two] == 3)
    }
    #expect("=\u{301}".starts(withExactly: "="))
    #expect(!"=\u{301}".hasPrefix("="))
  }

  @Test("Tensors with such names are two, in the file and in an index")
  func tensors() async throws {
    try await withTemporaryFolder { folder in
      for (one, two) in equivalents {
        let url = folder.appending(path: "x.safetensors")
        try SafetensorsWriter.write([(one, [1], [1]), (two, [1], [2])], to: url)
        let file = try Safetensors(url)
        #expect(file.descriptions.count == 2)
        #expect(try file.floats(one) == [1])
        #expect(try file.floats(two) == [2])
        try SafetensorsWriter.write([(one, [1], [1])], to: url)
        #expect(throws: CheckpointError.self) { try Safetensors(url).floats(two) }
      }
    }
  }

  @Test("A slash in an index's file name is one, whatever mark follows it")
  func slashes() async throws {
    try await withTemporaryFolder { folder in
      let small = SmallCheckpoint()
      try small.write(to: folder)
      try FileManager.default.moveItem(
        at: folder.appending(path: small.fileName), to: folder.appending(path: "elsewhere"))
      let index = "{\"weight_map\": {\"h.0.input_layernorm.weight\": \"../\u{301}x\"}}"
      try Data(index.utf8).write(to: folder.appending(path: "model.safetensors.index.json"))
      let error = try #require(throws: CheckpointError.self) { try Checkpoint(directory: folder) }
      #expect("\(error)".contains("names of files in the same folder"), "\(error)")
    }
  }
}
