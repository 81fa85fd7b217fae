public import Foundation
import TextKeys

/// A byte-level BPE tokenizer as a checkpoint's `tokenizer.json` describes it.
///
/// Encoding, as Hugging Face's tokenizers does it: added tokens with `normalized` false are cut out
/// of the whole text; the rest is normalised, and the other added tokens are cut out of that; the
/// remainder is split by the file's regular expressions; each word's UTF-8 bytes are joined into tokens by
/// the file's merges; the ids are cut to the file's truncation and put into its template, if it has
/// them.
public final class Tokenizer: Sendable {
  private let vocabulary: Vocabulary
  private let encoder: BytePairEncoder
  private let ignoresMerges: Bool
  private let normalizer: Normalizer
  private let preTokenizer: PreTokenizer
  private let verbatimTokens: AddedTokenFinder
  private let normalizedTokens: AddedTokenFinder
  private let addedContents: [Int32: [UInt8]]
  private let postProcessor: PostProcessor
  private let decoder: TokenizerFile.Decoder

  /// Reads `tokenizer.json` in a checkpoint's folder; throws a ``TokenizerError``, also where
  /// `tokenizer_config.json` contradicts it.
  public init(directory: URL) throws {
    let file = try TokenizerFile(directory.appending(path: "tokenizer.json"))
    try TokenizerConfiguration(directory: directory)?.check(against: file)
    vocabulary = file.vocabulary
    encoder = BytePairEncoder(
      starts: file.byteStarts(), merges: file.merges, fusesUnknown: file.model.fusesUnknown)
    ignoresMerges = file.model.ignoresMerges
    normalizer = file.normalizer
    preTokenizer = file.preTokenizer
    postProcessor = file.postProcessor
    decoder = file.decoder
    // A normalised token is looked for, and written, as its content is after normalisation.
    let found = file.addedTokens.map { token in
      (
        token: token,
        text: token.isNormalized ? file.normalizer.normalized(token.content) : token.content
      )
    }
    try Self.checkDistinct(found, file)
    verbatimTokens = AddedTokenFinder(found.filter { !$0.token.isNormalized })
    normalizedTokens = AddedTokenFinder(found.filter(\.token.isNormalized))
    addedContents = Dictionary(
      found.map { ($0.token.id, Self.bytes(of: Array($0.text.utf8)[...], file.decoder)) },
      uniquingKeysWith: { $1 })
  }

  /// One past the highest id that has a token.
  public var count: Int {
    max(vocabulary.count, addedContents.keys.max().map { Int($0) + 1 } ?? 0)
  }

  /// The ids of a text.
  public func encode(_ text: String) -> [Int32] {
    var ids: [Int32] = []
    Self.visit(text, verbatimTokens, into: &ids) { text, ids in
      let normalized = normalizer.steps.isEmpty ? text : normalizer.normalized(text)
      Self.visit(normalized, normalizedTokens, into: &ids, encodeWords)
    }
    return postProcessor.applied(to: ids)
  }

  /// The text of ids; bytes that are no valid UTF-8 become U+FFFD, ids without a token nothing.
  public func decode(_ ids: [Int32]) -> String {
    var stream = TextStream(self)
    return ids.reduce(into: "") { $0 += stream.append($1) } + stream.finish()
  }

  /// The bytes a token stands for; empty for an id that has none.
  public func bytes(_ id: Int32) -> ArraySlice<UInt8> { knownBytes(id) ?? [] }

  /// The bytes a token stands for; nil for an id without a token.
  func knownBytes(_ id: Int32) -> ArraySlice<UInt8>? {
    if let content = addedContents[id] { return content[...] }
    return vocabulary.spelling(id).map { Self.bytes(of: $0, decoder)[...] }
  }

  /// What stands between two tokens' bytes in a text.
  var separator: [UInt8] { decoder == .joined ? [UInt8(ascii: " ")] : [] }

  private func encodeWords(_ text: String, into ids: inout [Int32]) {
    for word in preTokenizer.words(text[...]) {
      if ignoresMerges, let id = vocabulary.id(of: Self.spelling(of: word)) {
        ids.append(id)
      } else {
        encoder.encode(word.utf8, into: &ids)
      }
    }
  }

  /// Appends the added tokens of a text, and what `rest` makes of what lies between them.
  private static func visit(
    _ text: String, _ finder: AddedTokenFinder, into ids: inout [Int32],
    _ rest: (String, inout [Int32]) -> Void
  ) {
    guard !finder.isEmpty else { return rest(text, &ids) }
    let bytes = Array(text.utf8)
    for part in finder.parts(of: bytes) {
      if let id = part.id {
        ids.append(id)
      } else {
        rest(String(decoding: bytes[part.range], as: UTF8.self), &ids)
      }
    }
  }

  private static func spelling(of word: Substring) -> ArraySlice<UInt8> {
    word.utf8.flatMap { ByteAlphabet.spellings[Int($0)] }[...]
  }

  private static func bytes(
    of spelling: ArraySlice<UInt8>, _ decoder: TokenizerFile.Decoder
  ) -> [UInt8] {
    decoder == .joined ? Array(spelling) : ByteAlphabet.decoded(spelling)
  }

  private static func checkDistinct(
    _ found: [(token: AddedToken, text: String)], _ file: TokenizerFile
  ) throws {
    var seen: [Set<TextKey>] = [[], []]
    for (token, text) in found {
      guard !text.isEmpty, seen[token.isNormalized ? 1 : 0].insert(TextKey(text)).inserted else {
        throw file.malformed(
          "added token \(token.content): once normalised it is empty, or another added token")
      }
    }
  }
}

/// Turns ids into text one at a time, holding back bytes until their character is whole.
public struct TextStream: Sendable {
  private let tokenizer: Tokenizer
  private var pending: [UInt8] = []
  /// Whether no token came yet.
  private var isAtStart = true

  /// An empty stream.
  public init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
  }

  /// The text that is certain after one more id; may be empty.
  public mutating func append(_ id: Int32) -> String {
    if let bytes = tokenizer.knownBytes(id) {
      if !isAtStart { pending.append(contentsOf: tokenizer.separator) }
      isAtStart = false
      pending.append(contentsOf: bytes)
    }
    let whole = pending.count - unfinished
    defer { pending.removeFirst(whole) }
    return String(decoding: pending[..<whole], as: UTF8.self)
  }

  /// The rest of the text, at the end: an incomplete character becomes U+FFFD.
  public mutating func finish() -> String {
    defer { pending.removeAll() }
    return String(decoding: pending, as: UTF8.self)
  }

  /// Bytes at the end that may become a character with the next token's.
  private var unfinished: Int {
    for (distance, byte) in pending.reversed().prefix(3).enumerated() {
      switch byte {
      case 0xC2...0xDF: return distance < 1 ? distance + 1 : 0
      case 0xE0...0xEF: return distance < 2 ? distance + 1 : 0
      case 0xF0...0xF4: return distance < 3 ? distance + 1 : 0
      case 0x80...0xBF: continue
      default: return 0
      }
    }
    return 0
  }
}

/// An error of a `tokenizer.json` or the `tokenizer_config.json` in its folder.
public enum TokenizerError: Error, Hashable, Sendable, CustomStringConvertible {
  case missingFile(path: String)
  case malformed(path: String, reason: String)
  /// A setting that this byte-level BPE tokenizer does not have.
  case unsupported(path: String, field: String, expected: String, found: String)
  case duplicateToken(path: String, token: String)
  /// A merge of a token that the vocabulary does not have.
  case unknownMerge(path: String, index: Int, token: String)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .missingFile(let path):
      "\(path): no such file; this checkpoint has no tokenizer, use token ids"
    case .malformed(let path, let reason):
      "\(path): \(reason)"
    case .unsupported(let path, let field, let expected, let found):
      "\(path): \(field): expected \(expected), found \(found)"
    case .duplicateToken(let path, let token):
      "\(path): token \"\(token)\" is there twice, or its id is"
    case .unknownMerge(let path, let index, let token):
      "\(path): merge \(index): \"\(token)\" is not in the vocabulary"
    }
  }
}
