import Synchronization

/// Cuts a text into the words that are encoded on their own.
struct PreTokenizer: ~Copyable, Sendable {
  /// Cuts in their order: matches and what lies between them all become words ("isolated").
  ///
  /// A regular expression is not sendable, since it compiles itself at first use.
  private let splits: Mutex<[Regex<AnyRegexOutput>]>
  private let addsPrefixSpace: Bool

  /// `patterns` are applied one after the other, each within the words of the one before.
  init(patterns: [String], addsPrefixSpace: Bool) throws {
    var compiled: [Regex<AnyRegexOutput>] = []
    for pattern in patterns {
      // Patterns speak of code points, not of what a reader sees as one character.
      compiled.append(try Regex(pattern).matchingSemantics(.unicodeScalar))
    }
    splits = Mutex(compiled)
    self.addsPrefixSpace = addsPrefixSpace
  }

  /// The words of a text, in order; joined they are the text.
  func words(_ text: Substring) -> [Substring] {
    guard !text.isEmpty else { return [] }
    let text = addsPrefixSpace && text.first != " " ? " " + text : text
    return splits.withLock { splits in
      splits.reduce([text]) { words, split in
        words.flatMap { Self.split($0, by: split) }
      }
    }
  }

  private static func split(
    _ text: Substring, by regex: Regex<AnyRegexOutput>
  ) -> [Substring] {
    var words: [Substring] = []
    var end = text.startIndex
    for match in text.matches(of: regex) where !match.range.isEmpty {
      if end < match.range.lowerBound { words.append(text[end..<match.range.lowerBound]) }
      words.append(text[match.range])
      end = match.range.upperBound
    }
    if end < text.endIndex { words.append(text[end...]) }
    return words
  }
}
