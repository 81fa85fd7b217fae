import Bloom
import Foundation
import TextKeys
import Testing

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

  @Test("A JSON object has a member for each of them, and refuses one that is there twice")
  func objects() throws {
    for (one, two) in equivalents {
      let node = try parse("{\"\(one)\": 1, \"\(two)\": 2}")
      #expect(node[one]?.integerValue == 1)
      #expect(node[two]?.integerValue == 2)
      #expect(throws: JSONScanError.self) { try parse("{\"\(one)\": 1, \"\(one)\": 2}") }
    }
  }

  private func parse(_ text: String) throws -> JSONNode {
    try Array(text.utf8).withUnsafeBytes { try JSONNode(parsing: $0) }
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
