import Bloom
import Foundation
import TestSupport
import Testing

/// Each part that a `tokenizer.json` may name is done as it says, or refused by its name.
@Suite("Tokenizer parts")
struct TokenizerPartTests {
  private func file(
    _ parts: [String: String] = [:], model: [String: String] = [:],
    vocabulary: String = #""a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ċ": 4, "<s>": 5"#
  ) -> String {
    var all = [
      "pre_tokenizer": #"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}"#,
      "decoder": #"{"type": "ByteLevel"}"#,
    ]
    all.merge(parts) { $1 }
    var options = ["type": #""BPE""#, "merges": #"["a b"]"#]
    options.merge(model) { $1 }
    options["vocab"] = "{\(vocabulary)}"
    all["model"] = "{\(members(options))}"
    return "{\(members(all))}"
  }

  private func members(_ values: [String: String]) -> String {
    values.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", ")
  }

  private func withTokenizer<R>(_ text: String, _ body: (Tokenizer) throws -> R) async throws -> R {
    try await withTemporaryFolder { folder in
      try Data(text.utf8).write(to: folder.appending(path: "tokenizer.json"))
      return try body(Tokenizer(directory: folder))
    }
  }

  struct Refused: Sendable, CustomTestStringConvertible {
    let part: String
    let value: String
    let words: [String]

    var testDescription: String { "\(part): \(value)" }
  }

  static let refused: [Refused] =
    [
      ("version", #""2.0""#, ["version", "1.0"]),
      ("normalizer", #"{"type": "BertNormalizer"}"#, ["normalizer.type", "BertNormalizer"]),
      ("normalizer", #"{"type": "Sequence", "normalizers": [{"type": "Nmt"}]}"#, ["Nmt"]),
      ("normalizer", #"{"type": "ByteLevel"}"#, ["normalizer.type", "ByteLevel"]),
      ("normalizer", #"{"type": "Prepend"}"#, ["normalizer.prepend"]),
      ("pre_tokenizer", #"{"type": "Metaspace"}"#, ["pre_tokenizer.type", "Metaspace"]),
      (
        "pre_tokenizer",
        #"{"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]}"#,
        ["pre_tokenizer", "last"]
      ),
      ("decoder", #"{"type": "WordPiece"}"#, ["decoder.type", "WordPiece"]),
      ("decoder", #"{"type": "Sequence", "decoders": []}"#, ["decoder"]),
      ("post_processor", #"{"type": "Other"}"#, ["post_processor.type", "Other"]),
      (
        "post_processor",
        #"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<x>"}}]}"#,
        ["post_processor.single", "special_tokens"]
      ),
      (
        "post_processor", #"{"type": "BertProcessing", "sep": ["<s>", 5]}"#, ["post_processor.cls"]
      ),
      (
        "truncation", #"{"max_length": -1, "strategy": "LongestFirst", "stride": 0}"#,
        ["truncation.max_length"]
      ),
      (
        "truncation", #"{"max_length": 4, "strategy": "OnlySecond", "stride": 0}"#,
        ["truncation.strategy", "OnlySecond"]
      ),
      (
        "truncation", #"{"max_length": 4, "strategy": "LongestFirst", "stride": 4}"#,
        ["truncation.stride"]
      ),
      (
        "truncation",
        #"{"max_length": 4, "strategy": "OnlyFirst", "stride": 0, "direction": "Up"}"#,
        ["truncation.direction"]
      ),
      ("padding", #"{"strategy": {"Fixed": 8}, "pad_id": 0}"#, ["padding.strategy"]),
      (
        "padding", #"{"strategy": "BatchLongest", "pad_to_multiple_of": 8}"#,
        ["padding.pad_to_multiple_of", "8"]
      ),
      ("added_tokens", #"[{"id": 0, "content": "b"}]"#, ["added token b", "vocabulary"]),
      ("added_tokens", #"[{"id": 0, "content": "c"}]"#, ["added token c", "0 of a"]),
      (
        "added_tokens", #"[{"id": 9, "content": "c"}, {"id": 10, "content": "c"}]"#,
        ["added token c", "9 of c"]
      ),
      ("added_tokens", "{}", ["added_tokens", "an array"]),
    ].map { Refused(part: $0.0, value: $0.1, words: $0.2) }

  @Test("What a part asks for and is not done is refused by the part's name", arguments: refused)
  func refusing(_ refused: Refused) async throws {
    let error = try await #require(throws: TokenizerError.self) {
      try await withTokenizer(file([refused.part: refused.value])) { _ in }
    }
    for word in refused.words { #expect("\(error)".contains(word), "\(error)") }
    #expect("\(error)".contains("tokenizer.json"))
  }

  @Test(
    "A model's option that is not done is refused by its name",
    arguments: [
      ("continuing_subword_prefix", "\"##\""), ("end_of_word_suffix", "\"</w>\""),
      ("dropout", "0.1"), ("unk_token", "\"<none>\""), ("unk_token", "3"), ("fuse_unk", "3"),
    ])
  func refusingModels(_ option: String, _ value: String) async throws {
    let error = try await #require(throws: TokenizerError.self) {
      try await withTokenizer(file(model: [option: value])) { _ in }
    }
    #expect("\(error)".contains("model.\(option)"), "\(error)")
  }

  @Test(
    "A construct that means something else to Swift, or nothing, is refused by name",
    arguments: [
      "^a", #"\bword"#, #"(a)\1"#, "a{1,2}+", "[[:alpha:]]", #"\p{Klingon}"#, "(?m:a)", #"\R"#,
      "[a--b]", #"\xC3"#, "[]a]", "[a", "(?i:[a-z])", "a\\",
    ])
  func refusingPatterns(_ pattern: String) async throws {
    let quoted = pattern.replacing("\\", with: "\\\\")
    let split = """
      {"type": "Split", "pattern": {"Regex": "\(quoted)"}, "behavior": "Isolated", "invert": false}
      """
    let parts = #"{"type": "Sequence", "pretokenizers": [\#(split), {"type": "ByteLevel"}]}"#
    let error = try await #require(throws: TokenizerError.self) {
      try await withTokenizer(file(["pre_tokenizer": parts])) { _ in }
    }
    #expect("\(error)".contains("pre_tokenizer.pattern: the pattern's"), "\(error)")
  }

  @Test("A configuration that would make other ids is refused by its field")
  func configurations() async throws {
    for (text, field) in [
      (#"{"add_prefix_space": true}"#, "add_prefix_space"),
      (#"{"added_tokens_decoder": {"9": {"content": "<new>"}}}"#, "added_tokens_decoder.9"),
      (#"{"added_tokens_decoder": {"4": {"content": "<s>"}}}"#, "added_tokens_decoder.4"),
      ("{", "ends inside a value"), (#"{"add_prefix_space": false}"#, nil),
      (#"{"added_tokens_decoder": {"5": {"content": "<s>"}}, "padding_side": "left"}"#, nil),
    ] as [(String, String?)] {
      try await withTemporaryFolder { folder in
        try Data(file().utf8).write(to: folder.appending(path: "tokenizer.json"))
        try Data(text.utf8).write(to: folder.appending(path: "tokenizer_config.json"))
        guard let field else {
          #expect(try Tokenizer(directory: folder).encode("ab") == [2])
          return
        }
        let error = try #require(throws: TokenizerError.self) { try Tokenizer(directory: folder) }
        #expect("\(error)".contains("tokenizer_config.json: "), "\(error)")
        #expect("\(error)".contains(field), "\(error)")
      }
    }
  }

  @Test("Byte-level and raw spellings are different keys, and canonical equivalents are too")
  func spellings() async throws {
    let vocabulary = #""Ċ": 0, "\n": 1, "é": 2, "e\u0301": 3, "Ã©": 4, "a": 5, "": 6"#
    try await withTokenizer(file(model: ["merges": "[]"], vocabulary: vocabulary)) { tokenizer in
      #expect(tokenizer.encode("\na\n") == [0, 5, 0])
      #expect(tokenizer.decode([0, 5, 1]) == "\na\n")
      // A composed é is the byte E9 to the decoder; the decomposed one is no byte at all.
      #expect(tokenizer.decode([2, 5]) == "\u{FFFD}a")
      #expect(tokenizer.decode([3]).unicodeScalars.elementsEqual("e\u{301}".unicodeScalars))
      #expect(tokenizer.decode([4, 6]) == "é")
      #expect(tokenizer.count == 7)
    }
  }

  @Test("A prefix space is added unless the first code point is one")
  func prefixSpace() async throws {
    let parts = #"{"type": "ByteLevel", "add_prefix_space": true, "use_regex": false}"#
    let vocabulary = #""Ġ": 0, "Ì": 1, "ģ": 2, "a": 3"#
    try await withTokenizer(
      file(["pre_tokenizer": parts], model: ["merges": "[]"], vocabulary: vocabulary)
    ) { tokenizer in
      #expect(tokenizer.encode(" \u{301}a") == [0, 1, 2, 3])
      #expect(tokenizer.encode("\u{301}a") == [0, 1, 2, 3])
      #expect(tokenizer.encode("a") == [0, 3])
    }
  }

  @Test("Of a merge that is there twice the last place counts; a version's line is no merge")
  func repeatedMerges() async throws {
    let vocabulary = #""a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4"#
    for (merges, ids) in [
      (#"["a b", "b c"]"#, [3, 2]), (##"["#version: 0.2", "a b", "b c", "a b"]"##, [0, 4]),
    ] {
      try await withTokenizer(file(model: ["merges": merges], vocabulary: vocabulary)) {
        #expect($0.encode("abc") == ids.map(Int32.init))
      }
    }
    for merges in [#"["a b c"]"#, #"[["a"]]"#, #"[["a", "b", "c"]]"#] {
      try await #require(throws: TokenizerError.self) {
        try await withTokenizer(file(model: ["merges": merges], vocabulary: vocabulary)) { _ in }
      }
    }
  }

  @Test("Normalisation loses no code point, and composes what Unicode composes")
  func normalization() async throws {
    let vocabulary = ByteSpelling.all.enumerated().map { "\"\($1)\": \($0)" }
      .joined(separator: ", ")
    for (form, text, expected) in [
      ("NFC", "\u{e0061}\u{30f}e\u{301}", "\u{e0061}\u{30f}\u{e9}"),
      ("NFC", "\u{1112}\u{1161}\u{11ab}\u{212b}\u{958}", "\u{d55c}\u{c5}\u{915}\u{93c}"),
      ("NFC", "a\u{323}\u{307}\u{301}", "\u{1ea1}\u{307}\u{301}"),
      ("NFD", "\u{1e69}\u{d55c}", "s\u{323}\u{307}\u{1112}\u{1161}\u{11ab}"),
      ("NFKC", "\u{fb01}\u{2460}e\u{301}", "fi1\u{e9}"),
      ("NFKD", "\u{fb01}\u{e9}", "fie\u{301}"),
    ] {
      try await withTokenizer(
        file(
          ["normalizer": #"{"type": "\#(form)"}"#], model: ["merges": "[]"],
          vocabulary: vocabulary)
      ) { tokenizer in
        let read = tokenizer.decode(tokenizer.encode(text))
        #expect(
          read.unicodeScalars.elementsEqual(expected.unicodeScalars), "\(read.debugDescription)")
      }
    }
  }
}

/// The characters of the byte-level alphabet, as JSON spells them.
private enum ByteSpelling {
  static let all: [String] = {
    var next: UInt32 = 0x100
    return (UInt32(0)...255).compactMap { byte in
      let isPrintable =
        (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
      if !isPrintable { next += 1 }
      let value = isPrintable ? byte : next - 1
      return "\\u" + String(0x10000 + value, radix: 16).dropFirst()
    }
  }()
}
