import Synchronization

/// Cuts a text into the words that are encoded on their own.
struct PreTokenizer: ~Copyable, Sendable {
  /// Cuts in their order: matches and what lies between them all become words ("isolated").
  ///
  /// Kept from one text to the next: to compile them takes longer than most texts.
  private let idle: Mutex<[WordSplits]>
  private let patterns: [String]
  private let addsPrefixSpace: Bool

  /// `patterns` are applied one after the other, each within the words of the one before.
  init(patterns: [String], addsPrefixSpace: Bool) throws {
    idle = Mutex([try WordSplits(patterns)])
    self.patterns = patterns
    self.addsPrefixSpace = addsPrefixSpace
  }

  /// The words of a text, in order; joined they are the text.
  func words(_ text: Substring) -> [Substring] {
    guard !text.isEmpty else { return [] }
    let text = addsPrefixSpace && text.first != " " ? " " + text : text
    let splits = take()
    defer { idle.withLock { $0.append(splits) } }
    return splits.regexes.reduce([text]) { words, split in
      words.flatMap { Self.split($0, by: split) }
    }
  }

  /// Texts at the same time do not wait for each other: each has expressions of its own.
  private func take() -> WordSplits {
    if let splits = idle.withLock({ $0.popLast() }) { return splits }
    do {
      return try WordSplits(patterns)
    } catch {
      preconditionFailure("the patterns were compiled before: \(error)")
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

/// Regular expressions in the order of a tokenizer's patterns.
final class WordSplits: @unchecked Sendable {
  // Sendable: one text at a time uses them. A regular expression is not sendable of itself, since it
  // compiles itself at first use.
  let regexes: [Regex<AnyRegexOutput>]

  init(_ patterns: [String]) throws {
    // Patterns speak of code points, not of what a reader sees as one character.
    regexes = try patterns.map { try Regex($0).matchingSemantics(.unicodeScalar) }
  }
}
