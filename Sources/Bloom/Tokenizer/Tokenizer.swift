public import Foundation

/// A byte-level BPE tokenizer as a checkpoint's `tokenizer.json` describes it.
///
/// Encoding: added tokens are cut out; the rest is split by the file's regular expressions; each
/// word's UTF-8 bytes are joined into tokens by the file's merges. No token is added at either end.
public final class Tokenizer: Sendable {
  private let vocabulary: Vocabulary
  private let encoder: BytePairEncoder
  private let preTokenizer: PreTokenizer
  /// Longest first, so that the longest of several that fit is found.
  private let addedTokens: [TokenizerFile.AddedToken]
  private let addedContents: [Int32: [UInt8]]
  /// Bytes with which an added token starts.
  private let addedStarts: Set<UInt8>

  /// Reads `tokenizer.json` in a checkpoint's folder; throws a ``TokenizerError``.
  public init(directory: URL) throws {
    let url = directory.appending(path: "tokenizer.json")
    let file = try TokenizerFile(url)
    vocabulary = file.vocabulary
    let bytes = (0...255).map { file.vocabulary.id(of: [UInt8($0)]) }
    encoder = BytePairEncoder(byteTokens: bytes, merges: file.merges)
    do {
      preTokenizer = try PreTokenizer(
        patterns: file.patterns, addsPrefixSpace: file.addsPrefixSpace)
    } catch {
      throw TokenizerError.malformed(
        path: url.path(percentEncoded: false), reason: "pre_tokenizer: \(error)")
    }
    addedTokens = file.addedTokens.sorted { $0.content.utf8.count > $1.content.utf8.count }
    addedStarts = Set(file.addedTokens.compactMap(\.content.utf8.first))
    addedContents = Dictionary(
      file.addedTokens.map { ($0.id, Array($0.content.utf8)) }, uniquingKeysWith: { $1 })
  }

  /// One past the highest id that has a token.
  public var count: Int {
    max(vocabulary.count, addedContents.keys.max().map { Int($0) + 1 } ?? 0)
  }

  /// The ids of a text.
  public func encode(_ text: String) -> [Int32] {
    var ids: [Int32] = []
    var rest = text[...]
    while let (token, range) = firstAddedToken(in: rest) {
      encodeWords(rest[..<range.lowerBound], into: &ids)
      ids.append(token)
      rest = rest[range.upperBound...]
    }
    encodeWords(rest, into: &ids)
    return ids
  }

  /// The text of ids; bytes that are no valid UTF-8 become U+FFFD, ids without a token nothing.
  public func decode(_ ids: [Int32]) -> String {
    var bytes: [UInt8] = []
    for id in ids { bytes.append(contentsOf: self.bytes(id)) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The bytes a token stands for; empty for an id that has none.
  public func bytes(_ id: Int32) -> ArraySlice<UInt8> {
    if let content = addedContents[id] { return content[...] }
    return vocabulary.bytes(id)
  }

  private func encodeWords(_ text: Substring, into ids: inout [Int32]) {
    for word in preTokenizer.words(text) { encoder.encode(word.utf8, into: &ids) }
  }

  private func firstAddedToken(in text: Substring) -> (id: Int32, range: Range<Substring.Index>)? {
    guard !text.isEmpty, !addedTokens.isEmpty else { return nil }
    let bytes = text.utf8
    for start in bytes.indices where addedStarts.contains(bytes[start]) {
      for token in addedTokens where bytes[start...].starts(with: token.content.utf8) {
        let end = bytes.index(start, offsetBy: token.content.utf8.count)
        return (token.id, start..<end)
      }
    }
    return nil
  }
}
