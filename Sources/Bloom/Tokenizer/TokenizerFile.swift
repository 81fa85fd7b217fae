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
  var ends = TokenEnds()
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
