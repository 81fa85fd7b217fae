import Foundation
import JSONValues
import TextKeys

/// `tokenizer.json` of a byte-level BPE tokenizer, read in one pass.
///
/// Every part that the file names is read: what it asks for is done as tokenizers does it, or refused
/// by name.
struct TokenizerFile {
  var vocabulary = Vocabulary(capacity: 0)
  var merges = MergeTable(capacity: 0)
  var model = ModelOptions()
  var normalizer = Normalizer(steps: [])
  var preTokenizer = PreTokenizer(steps: [])
  var decoder = Decoder.joined
  var postProcessor = PostProcessor()
  var addedTokens: [AddedToken] = []
  let path: String

  /// How the model turns what it does not know into tokens.
  struct ModelOptions {
    var unknown: String?
    var fusesUnknown = false
    var hasByteFallback = false
    var ignoresMerges = false
  }

  /// How tokens become a text.
  enum Decoder: Hashable, Sendable {
    /// Each character of a token is a byte.
    case byteLevel
    /// The file names no decoder: the tokens' spellings, with spaces between them.
    case joined
  }

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
      var scanner = JSONScanner(file.bytes, dialect: .python)
      try read(&scanner)
      try scanner.end()
    } catch let error as JSONError {
      throw TokenizerError.malformed(path: path, reason: error.detail)
    }
  }

  private mutating func read(_ scanner: inout JSONScanner) throws {
    var parts: TextDictionary<JSON> = [:]
    var hasModel = false
    try scanner.object { scanner, key in
      if key == "model" {
        guard !hasModel else { throw malformed("model is there twice") }
        try readModel(&scanner)
        hasModel = true
      } else {
        let part = try JSON(&scanner)
        guard parts.updateValue(part, forKey: key) == nil else {
          throw malformed("\(key) is there twice")
        }
      }
    }
    guard hasModel else { throw malformed("expected model") }
    if let version = parts["version"], version.stringValue != "1.0" {
      throw unsupported("version", "\"1.0\"", version)
    }
    try readAddedTokens(parts["added_tokens"] ?? .null)
    try readNormalizer(parts["normalizer"] ?? .null)
    try readPreTokenizer(parts["pre_tokenizer"] ?? .null)
    try readDecoder(parts["decoder"] ?? .null)
    try readPostProcessor(parts["post_processor"] ?? .null)
    try readTruncation(parts["truncation"] ?? .null)
    try readPadding(parts["padding"] ?? .null)
  }

  func unsupported(_ field: String, _ expected: String, _ found: JSON?) -> TokenizerError {
    .unsupported(
      path: path, field: field, expected: expected, found: found?.summary ?? "nothing")
  }

  func malformed(_ reason: String) -> TokenizerError { .malformed(path: path, reason: reason) }

  /// A flag; null and absent are `usual`.
  func flag(
    _ node: JSON, _ name: String, in part: String, usual: Bool = false
  ) throws -> Bool {
    guard let value = node[name], value != .null else { return usual }
    guard let flag = value.boolValue else {
      throw unsupported("\(part).\(name)", "true or false", value)
    }
    return flag
  }

  /// A part's type and the parts of a `Sequence`, flat and in their order.
  func flattened(_ node: JSON, _ part: String, members: String) throws -> [JSON] {
    // A sequence without its type is how old files spell one.
    guard let list = node[members]?.arrayValue else { return [node] }
    if let type = node["type"], type.stringValue != "Sequence" {
      throw unsupported("\(part).type", "Sequence with \(members)", type)
    }
    return try list.flatMap { try flattened($0, part, members: members) }
  }
}

extension TokenizerFile {
  mutating func readModel(_ scanner: inout JSONScanner) throws {
    var pairs: [UInt8] = []
    var pairEnds: [Int] = []
    var found: Set<String> = []
    try scanner.object { scanner, key in
      switch key {
      case "type":
        let type = try scanner.string()
        if type != "BPE" { throw unsupported("model.type", "BPE", .string(type)) }
      case "vocab":
        try readVocabulary(&scanner)
        found.insert(key)
      case "merges":
        // Kept until the vocabulary is known: the order of the two is the file's.
        try Self.readMerges(&scanner, &pairs, &pairEnds)
        found.insert(key)
      default:
        try readOption(key, try JSON(&scanner))
      }
    }
    for key in ["vocab", "merges"] where !found.contains(key) {
      throw malformed("expected model.\(key)")
    }
    try resolveMerges(pairs, pairEnds)
    if let unknown = model.unknown, vocabulary.id(of: Array(unknown.utf8)[...]) == nil {
      throw malformed("model.unk_token: \"\(unknown)\" is not in the vocabulary")
    }
  }

  private mutating func readOption(_ key: String, _ node: JSON) throws {
    func flag() throws -> Bool {
      if node == .null { return false }
      guard let value = node.boolValue else {
        throw unsupported("model.\(key)", "true or false", node)
      }
      return value
    }
    switch key {
    case "fuse_unk": model.fusesUnknown = try flag()
    case "byte_fallback": model.hasByteFallback = try flag()
    case "ignore_merges": model.ignoresMerges = try flag()
    case "unk_token":
      guard node == .null || node.stringValue != nil else {
        throw unsupported("model.unk_token", "a token or null", node)
      }
      model.unknown = node.stringValue
    case "continuing_subword_prefix", "end_of_word_suffix":
      if node != .null, node != .string("") { throw unsupported("model.\(key)", "null", node) }
    case "dropout":
      if node != .null, node.doubleValue != 0 { throw unsupported("model.dropout", "null", node) }
    default: break
    }
  }

  private mutating func readVocabulary(_ scanner: inout JSONScanner) throws {
    vocabulary = Vocabulary(capacity: 1 << 12)
    try scanner.entries { scanner, spelling in
      let value = try scanner.integer()
      guard let id = Int32(exactly: value), id >= 0, id < 1 << 24 else {
        throw scanner.failure(expecting: "a token id")
      }
      guard vocabulary.insert(spelling, id: id) else {
        throw TokenizerError.duplicateToken(
          path: path, token: String(decoding: spelling, as: UTF8.self))
      }
    }
  }

  /// Merges are `"a b"` or `["a", "b"]`; either way two spellings after each other in `pairs`.
  private static func readMerges(
    _ scanner: inout JSONScanner, _ pairs: inout [UInt8], _ ends: inout [Int]
  ) throws {
    let space = UInt8(ascii: " ")
    try scanner.array { scanner in
      if scanner.peek() == UInt8(ascii: "[") {
        let before = ends.count
        try scanner.array { scanner in
          try scanner.string(into: &pairs)
          ends.append(pairs.count)
        }
        if ends.count != before + 2 { throw scanner.failure(expecting: "a pair") }
      } else {
        let start = pairs.count
        try scanner.string(into: &pairs)
        // The first line of the file that merges were kept in before.
        if pairs[start...].starts(with: "#version".utf8) {
          pairs.removeSubrange(start...)
          return
        }
        guard let cut = pairs[start...].firstIndex(of: space),
          !pairs[(cut + 1)...].contains(space)
        else { throw scanner.failure(expecting: "two tokens with a space between them") }
        pairs.remove(at: cut)
        ends.append(cut)
        ends.append(pairs.count)
      }
    }
  }

  private mutating func resolveMerges(_ pairs: [UInt8], _ ends: [Int]) throws {
    merges = MergeTable(capacity: ends.count / 2)
    var start = 0
    for index in stride(from: 0, to: ends.count, by: 2) {
      func id(_ spelling: ArraySlice<UInt8>) throws -> Int32 {
        guard let id = vocabulary.id(of: spelling) else {
          throw TokenizerError.unknownMerge(
            path: path, index: index / 2, token: String(decoding: spelling, as: UTF8.self))
        }
        return id
      }
      merges.append(
        try id(pairs[start..<ends[index]]), try id(pairs[ends[index]..<ends[index + 1]]),
        result: try id(pairs[start..<ends[index + 1]]))
      start = ends[index + 1]
    }
  }

  /// What each byte is before anything is joined.
  func byteStarts() -> [BytePairEncoder.Start] {
    let unknown = model.unknown.flatMap { vocabulary.id(of: Array($0.utf8)[...]) }
    return ByteAlphabet.spellings.map { spelling in
      if let id = vocabulary.id(of: spelling[...]) { return .tokens([id], isFallback: false) }
      if model.hasByteFallback {
        // Of the character that stands for the byte, not of the byte: so tokenizers has it.
        let ids = spelling.compactMap { byte in
          let digits = String(byte, radix: 16, uppercase: true)
          let name = "<0x\(digits.utf8.count < 2 ? "0" : "")\(digits)>"
          return vocabulary.id(of: Array(name.utf8)[...])
        }
        if ids.count == spelling.count { return .tokens(ids, isFallback: true) }
      }
      return unknown.map { .unknown($0) } ?? .nothing
    }
  }
}
