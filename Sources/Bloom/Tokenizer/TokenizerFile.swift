import Foundation

/// `tokenizer.json` of a byte-level BPE tokenizer, read in one pass.
struct TokenizerFile {
  struct AddedToken: Hashable, Sendable {
    let id: Int32
    let content: String
  }

  private(set) var vocabulary = Vocabulary(capacity: 0)
  private(set) var merges = MergeTable(capacity: 0)
  private(set) var patterns: [String] = []
  private(set) var addsPrefixSpace = false
  private(set) var addedTokens: [AddedToken] = []
  private let path: String

  init(_ url: URL) throws {
    path = url.path(percentEncoded: false)
    let file: MappedFile
    do {
      file = try MappedFile(url)
    } catch {
      if case .missingFile = error { throw TokenizerError.missingFile(path: path) }
      throw error
    }
    do {
      var scanner = JSONScanner(file.bytes)
      try read(&scanner)
      try scanner.end()
    } catch let error as JSONScanError {
      throw TokenizerError.malformed(path: path, reason: "\(error)")
    }
  }

  private mutating func read(_ scanner: inout JSONScanner) throws {
    var hasModel = false
    try scanner.object { scanner, key in
      switch key {
      case "model":
        try readModel(&scanner)
        hasModel = true
      case "added_tokens":
        try readAddedTokens(try JSONNode(&scanner))
      case "pre_tokenizer":
        try readPreTokenizer(try JSONNode(&scanner))
      case "normalizer":
        let node = try JSONNode(&scanner)
        if node != .null { throw unsupported("normalizer", "null", node) }
      case "decoder":
        let node = try JSONNode(&scanner)
        if node["type"]?.stringValue != "ByteLevel" {
          throw unsupported("decoder", "ByteLevel", node["type"] ?? node)
        }
      default:
        _ = try JSONNode(&scanner)
      }
    }
    guard hasModel else { throw TokenizerError.malformed(path: path, reason: "expected model") }
  }

  private mutating func readModel(_ scanner: inout JSONScanner) throws {
    var pairs: [UInt8] = []
    var pairEnds: [Int] = []
    try scanner.object { scanner, key in
      switch key {
      case "type":
        let type = try scanner.string()
        if type != "BPE" { throw unsupported("model.type", "BPE", .string(type)) }
      case "vocab":
        try readVocabulary(&scanner)
      case "merges":
        // Kept until the vocabulary is known: the order of the two is the file's.
        try Self.readMerges(&scanner, &pairs, &pairEnds)
      case "byte_fallback", "ignore_merges", "fuse_unk":
        let node = try JSONNode(&scanner)
        if node == .bool(true) { throw unsupported("model.\(key)", "false", node) }
      case "continuing_subword_prefix", "end_of_word_suffix", "dropout":
        let node = try JSONNode(&scanner)
        if node != .null, node != .string(""), node.doubleValue != 0 {
          throw unsupported("model.\(key)", "null", node)
        }
      default:
        _ = try JSONNode(&scanner)
      }
    }
    try resolveMerges(pairs, pairEnds)
  }

  private mutating func readVocabulary(_ scanner: inout JSONScanner) throws {
    vocabulary = Vocabulary(capacity: 1 << 12)
    var bytes: [UInt8] = []
    try scanner.entries { scanner, spelling in
      let value = try scanner.integer()
      guard let id = Int32(exactly: value), id >= 0, id < 1 << 24 else {
        throw scanner.failure("a token id")
      }
      bytes.removeAll(keepingCapacity: true)
      // A token that is no byte string is an added one, spelled as it is.
      if !ByteAlphabet.append(spelling, to: &bytes) { bytes.append(contentsOf: spelling) }
      guard vocabulary.insert(bytes[...], id: id) else {
        throw TokenizerError.duplicateToken(
          path: path, token: String(decoding: spelling, as: UTF8.self))
      }
    }
  }

  /// Merges are `"a b"` or `["a", "b"]`; either way two spellings after each other in `pairs`.
  private static func readMerges(
    _ scanner: inout JSONScanner, _ pairs: inout [UInt8], _ ends: inout [Int]
  ) throws {
    try scanner.array { scanner in
      if scanner.peek() == UInt8(ascii: "[") {
        let before = ends.count
        try scanner.array { scanner in
          try scanner.string(into: &pairs)
          ends.append(pairs.count)
        }
        if ends.count != before + 2 { throw scanner.failure("a pair") }
      } else {
        let start = pairs.count
        try scanner.string(into: &pairs)
        guard let space = pairs[start...].firstIndex(of: UInt8(ascii: " ")) else {
          throw scanner.failure("two tokens with a space between them")
        }
        pairs.remove(at: space)
        ends.append(space)
        ends.append(pairs.count)
      }
    }
  }

  private mutating func resolveMerges(_ pairs: [UInt8], _ ends: [Int]) throws {
    merges = MergeTable(capacity: ends.count / 2)
    var start = 0
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: ends.count, by: 2) {
      bytes.removeAll(keepingCapacity: true)
      func id(_ part: ArraySlice<UInt8>, _ spelling: ArraySlice<UInt8>) throws -> Int32 {
        guard let id = vocabulary.id(of: part) else {
          throw TokenizerError.unknownMerge(
            path: path, index: index / 2, token: String(decoding: spelling, as: UTF8.self))
        }
        return id
      }
      let whole = pairs[start..<ends[index + 1]]
      let left = pairs[start..<ends[index]]
      let right = pairs[ends[index]..<ends[index + 1]]
      guard ByteAlphabet.append(left, to: &bytes) else {
        throw TokenizerError.unknownMerge(
          path: path, index: index / 2, token: String(decoding: left, as: UTF8.self))
      }
      let cut = bytes.count
      guard ByteAlphabet.append(right, to: &bytes) else {
        throw TokenizerError.unknownMerge(
          path: path, index: index / 2, token: String(decoding: right, as: UTF8.self))
      }
      merges.append(
        try id(bytes[..<cut], left), try id(bytes[cut...], right),
        result: try id(bytes[...], whole))
      start = ends[index + 1]
    }
  }

  private func unsupported(
    _ field: String, _ expected: String, _ found: JSONNode
  ) -> TokenizerError {
    .unsupported(path: path, field: field, expected: expected, found: found.summary)
  }
}

extension TokenizerFile {
  private mutating func readAddedTokens(_ node: JSONNode) throws {
    for token in node.arrayValue ?? [] {
      guard let value = token["id"]?.integerValue, let id = Int32(exactly: value), id >= 0,
        let content = token["content"]?.stringValue, !content.isEmpty
      else {
        throw TokenizerError.malformed(
          path: path, reason: "added_tokens: expected an id and a content")
      }
      for flag in ["single_word", "lstrip", "rstrip"] where token[flag]?.boolValue == true {
        throw unsupported("added token \(content): \(flag)", "false", .bool(true))
      }
      addedTokens.append(AddedToken(id: id, content: content))
    }
  }

  private mutating func readPreTokenizer(_ node: JSONNode) throws {
    let parts = node["pretokenizers"]?.arrayValue ?? [node]
    var hasByteLevel = false
    for part in parts {
      switch part["type"]?.stringValue {
      case "Split":
        try readSplit(part)
      case "ByteLevel":
        hasByteLevel = true
        addsPrefixSpace = part["add_prefix_space"]?.boolValue ?? true
        if addsPrefixSpace, !patterns.isEmpty {
          // It would go before each word of the split, which no known tokenizer means.
          throw unsupported("pre_tokenizer.add_prefix_space", "false after Split", .bool(true))
        }
        if part["use_regex"]?.boolValue ?? true {
          // GPT-2's pattern, which the type has built in.
          patterns.append(
            #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#)
        }
      default:
        throw unsupported("pre_tokenizer.type", "Split or ByteLevel", part["type"] ?? part)
      }
    }
    if !hasByteLevel { throw unsupported("pre_tokenizer", "a ByteLevel part", node) }
  }

  private mutating func readSplit(_ node: JSONNode) throws {
    guard node["behavior"]?.stringValue == "Isolated", node["invert"]?.boolValue != true else {
      throw unsupported(
        "pre_tokenizer.behavior", "Isolated, not inverted", node["behavior"] ?? node)
    }
    guard let pattern = node["pattern"]?["Regex"]?.stringValue else {
      throw unsupported("pre_tokenizer.pattern", "a Regex", node["pattern"] ?? node)
    }
    patterns.append(pattern)
  }
}
