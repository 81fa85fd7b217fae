import Bloom
import Foundation
import TestSupport
import TestVectors
import Testing

@Suite("Tokenizer")
struct TokenizerTests {
  /// A tokenizer with some merges over single letters.
  private func file(
    merges: String = #"["a b", "ab c"]"#, preTokenizer: String = #"{"type": "ByteLevel"}"#,
    added: String = "", model: String = "BPE", more: String = ""
  ) -> String {
    """
    {"added_tokens": [\(added)], "normalizer": null, "pre_tokenizer": \(preTokenizer),
     "decoder": {"type": "ByteLevel"}, \(more)
     "model": {"type": "\(model)", "merges": \(merges),
     "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "Ġ": 5, "<s>": 6, "é": 7, "Ã": 8,
     "©": 9, "Ã©": 10, "1": 11}}}
    """
  }

  private func withTokenizer<R>(_ text: String, _ body: (Tokenizer) throws -> R) async throws -> R {
    try await withTemporaryFolder { folder in
      try Data(text.utf8).write(to: folder.appending(path: "tokenizer.json"))
      return try body(Tokenizer(directory: folder))
    }
  }

  @Test("Merges apply in the file's order, in either spelling")
  func merges() async throws {
    for merges in [#"["a b", "ab c"]"#, #"[["a", "b"], ["ab", "c"]]"#] {
      try await withTokenizer(
        file(merges: merges, preTokenizer: #"{"type": "ByteLevel", "add_prefix_space": false}"#)
      ) { tokenizer in
        #expect(tokenizer.encode("abcab") == [4, 3])
        #expect(tokenizer.encode("aabb") == [0, 3, 1])
        #expect(tokenizer.encode("") == [])
        #expect(tokenizer.decode([4, 5, 3]) == "abc ab")
        #expect(tokenizer.count == 12)
      }
    }
  }

  @Test("Of equal pairs the leftmost is joined first, however long the word is")
  func equalMerges() async throws {
    try await withTokenizer(
      file(
        merges: #"["a a"]"#,
        preTokenizer: #"{"type": "ByteLevel", "add_prefix_space": false}"#
      ).replacing(#""ab": 3"#, with: #""aa": 3"#)
    ) { tokenizer in
      for count in 1...40 {
        let pairs = [Int32](repeating: 3, count: count / 2)
        let word = String(repeating: "a", count: count)
        #expect(tokenizer.encode(word) == pairs + (count % 2 == 1 ? [0] : []), "\(count) letters")
      }
    }
  }

  @Test("The built-in pattern splits letters from digits, and a space goes with what follows")
  func builtInPattern() async throws {
    try await withTokenizer(
      file(
        merges: #"["a b", "Ġ a", "1 1"]"#.replacing(
          #", "Ġ a", "1 1""#, with: ""))
    ) { tokenizer in
      // The space that ByteLevel adds in front, by default.
      #expect(tokenizer.encode("ab1") == [5, 3, 11])
      #expect(tokenizer.encode(" ab") == [5, 3])
    }
  }

  @Test("An added token is found anywhere, the longest first, and never split")
  func addedTokens() async throws {
    let added = #"{"id": 6, "content": "<s>", "special": true}, {"id": 20, "content": "<s>ab"}"#
    let preTokenizer = #"{"type": "ByteLevel", "add_prefix_space": false}"#
    try await withTokenizer(file(preTokenizer: preTokenizer, added: added)) { tokenizer in
      #expect(tokenizer.encode("ab<s>c") == [3, 6, 2])
      #expect(tokenizer.encode("<s>abc<s>") == [20, 2, 6])
      #expect(tokenizer.decode([6, 20, 99]) == "<s><s>ab")
      #expect(tokenizer.count == 21)
    }
  }

  @Test("Broken bytes decode to a replacement, and stream without one while they may still mend")
  func partialCharacters() async throws {
    try await withTokenizer(file()) { tokenizer in
      // "é" is the two bytes that the tokens "Ã" and "©" stand for.
      #expect(tokenizer.decode([8, 9]) == "é")
      #expect(tokenizer.decode([8]) == "\u{FFFD}")
      var stream = TextStream(tokenizer)
      #expect(stream.append(0) == "a")
      #expect(stream.append(8) == "")
      #expect(stream.append(9) == "é")
      #expect(stream.append(8) == "")
      #expect(stream.append(0) == "\u{FFFD}a")
      #expect(stream.append(8) == "")
      #expect(stream.finish() == "\u{FFFD}")
      #expect(stream.finish() == "")
    }
  }

  @Test("Special tokens of a golden checkpoint are one id each")
  func specials() throws {
    let tokenizer = try Tokenizer(directory: TestVectors.bloom(.tinyF16))
    #expect(tokenizer.encode("<s></s><pad>") == [1, 2, 3])
    #expect(tokenizer.decode([1, 2, 3]) == "<s></s><pad>")
  }

  @Test("A folder without a tokenizer is refused by name")
  func missing() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "tokenizer.json").path(percentEncoded: false)
      #expect(throws: TokenizerError.missingFile(path: path)) {
        try Tokenizer(directory: folder)
      }
    }
  }

  @Test("A file that is no byte-level BPE is refused by name")
  func refused() async throws {
    let split = #"{"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"}"#
    let other = #"{"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Other"}"#
    let cases: [(String, String)] = [
      ("{", "ends inside a value"), ("{}", "model"), (file(model: "Unigram"), "BPE"),
      (file(merges: #"["a z"]"#), "merge 0"), (file(merges: #"["ab"]"#), "space between"),
      (file(preTokenizer: "null"), "pre_tokenizer"),
      (file(preTokenizer: #"{"type": "Whitespace"}"#), "Whitespace"),
      (file(preTokenizer: #"{"pretokenizers": [\#(split), {"type": "ByteLevel"}]}"#), "pre_token"),
      (file(preTokenizer: #"{"pretokenizers": [\#(other)]}"#), "Isolated"),
      (file(added: #"{"id": 30, "content": "x", "lstrip": 1}"#), "lstrip"),
      (file().replacing("\"b\": 1", with: "\"b\": 0"), "twice"),
    ]
    for (text, word) in cases {
      let error = try await #require(throws: (any Error).self) {
        try await withTokenizer(text) { _ in }
      }
      #expect("\(error)".contains(word) && "\(error)".contains("tokenizer.json"), "\(error)")
    }
  }
}

@Suite("Golden tokenizer cases")
struct GoldenTokenizerTests {
  struct Case: Decodable {
    let text: String
    let ids: [Int32]
    let decoded: String
  }

  private func cases(_ model: TestVectors.Model) throws -> [Case] {
    let data = try Data(
      contentsOf: TestVectors.bloom(model).appending(path: "tokenizer_cases.json"))
    let cases = try JSONDecoder().decode([Case].self, from: data)
    try #require(!cases.isEmpty)
    return cases
  }

  @Test("Texts encode to the reference's ids", arguments: TestVectors.Model.allCases)
  func encoding(_ model: TestVectors.Model) throws {
    let tokenizer = try Tokenizer(directory: TestVectors.bloom(model))
    for golden in try cases(model) {
      #expect(tokenizer.encode(golden.text) == golden.ids, "\(golden.text.debugDescription)")
    }
  }

  @Test("Ids decode to the reference's texts", arguments: TestVectors.Model.allCases)
  func decoding(_ model: TestVectors.Model) throws {
    let tokenizer = try Tokenizer(directory: TestVectors.bloom(model))
    for golden in try cases(model) {
      #expect(tokenizer.decode(golden.ids) == golden.decoded)
    }
  }

  @Test("A text streamed id by id is the text", arguments: TestVectors.Model.allCases)
  func streaming(_ model: TestVectors.Model) throws {
    let tokenizer = try Tokenizer(directory: TestVectors.bloom(model))
    for golden in try cases(model) {
      var stream = TextStream(tokenizer)
      var text = ""
      for id in golden.ids {
        let part = stream.append(id)
        #expect(!part.unicodeScalars.contains("\u{FFFD}"))
        text += part
      }
      text += stream.finish()
      #expect(text == golden.decoded)
    }
  }
}

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
