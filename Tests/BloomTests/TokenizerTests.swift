import Bloom
import Foundation
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
      ("{", "a key"), ("{}", "model"), (file(model: "Unigram"), "BPE"),
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
