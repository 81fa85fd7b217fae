import Bloom
import Foundation
import Testing

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
        let shard = try Shard(opened, layers: LayerRange(all: 1))
        results.append(try await shard.forward(Embedding(opened)([1, 2, 3])).values)
      }
      #expect(Set(results).count == 1)
    }
  }
}
