import Bloom
import Foundation
import TestVectors
import Testing

/// What Hugging Face's tokenizers makes of 500 texts with each of 12 files.
@Suite("Tokenizer table")
struct TokenizerTableTests {
  struct Decoded: Decodable {
    let ids: [Int32]
    let text: String
  }

  struct Expected: Decodable {
    let ids: [[Int32]]
    /// What the ids decode to where that is not the text, by the text's number.
    let texts: [String: String]
    let decoded: [Decoded]
  }

  /// Every folder, so that none that is added goes untested.
  static let names: [String] = {
    let found = try? FileManager.default.contentsOfDirectory(
      atPath: TestVectors.tokenizers.path(percentEncoded: false))
    return (found ?? []).filter { $0 != "texts.json" }.sorted()
  }()

  private func texts() throws -> [String] {
    let data = try Data(contentsOf: TestVectors.tokenizers.appending(path: "texts.json"))
    return try JSONDecoder().decode([String].self, from: data)
  }

  private func expected(_ name: String) throws -> Expected {
    let folder = TestVectors.tokenizers.appending(path: name)
    return try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: folder.appending(path: "expected.json")))
  }

  private func tokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer(directory: TestVectors.tokenizers.appending(path: name))
  }

  private func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

  @Test("The table has 12 files and 500 texts")
  func isWhole() throws {
    #expect(Self.names.count == 12)
    #expect(try texts().count == 500)
    for name in Self.names { #expect(try expected(name).ids.count == 500, "\(name)") }
  }

  @Test("Texts encode to the ids of tokenizers", arguments: names)
  func encoding(_ name: String) throws {
    let tokenizer = try tokenizer(name)
    for (text, ids) in zip(try texts(), try expected(name).ids) {
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
    }
  }

  @Test("Ids decode to the texts of tokenizers, at once and one by one", arguments: names)
  func decoding(_ name: String) throws {
    let tokenizer = try tokenizer(name)
    let expected = try expected(name)
    let texts = try texts()
    var cases = expected.decoded.map { ($0.ids, $0.text) }
    for (number, ids) in expected.ids.enumerated() {
      cases.append((ids, expected.texts["\(number)"] ?? texts[number]))
    }
    for (ids, text) in cases {
      let decoded = tokenizer.decode(ids)
      #expect(same(decoded, text), "\(ids) are \(decoded.debugDescription)")
      var stream = TextStream(tokenizer)
      let streamed = ids.reduce(into: "") { $0 += stream.append($1) } + stream.finish()
      #expect(same(streamed, text), "\(ids) streamed are \(streamed.debugDescription)")
    }
  }
}
