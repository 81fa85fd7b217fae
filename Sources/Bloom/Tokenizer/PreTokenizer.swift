import Synchronization

/// Cuts a text into the words that are encoded on their own.
struct PreTokenizer: Sendable {
  /// What becomes of a pattern's matches, by the file's names.
  enum Behavior: String, CaseIterable, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
  }

  enum Step: Sendable {
    case split(TextPattern, Behavior, isInverted: Bool)
    /// A space in front of each word that does not begin with one.
    case prefixSpace
  }

  /// In their order, each within the words of the one before.
  let steps: [Step]

  /// Whether a space goes in front of what does not begin with one.
  var addsPrefixSpace: Bool {
    steps.contains { if case .prefixSpace = $0 { true } else { false } }
  }

  /// The words of a text, in order.
  func words(_ text: Substring) -> [Substring] {
    guard !text.isEmpty else { return [] }
    return steps.reduce([text]) { words, step in
      switch step {
      case .split(let pattern, let behavior, let isInverted):
        words.flatMap { Self.split($0, by: pattern, behavior, isInverted: isInverted) }
      case .prefixSpace:
        // The first code point counts: a mark behind the space makes no other character of it.
        words.map { $0.utf8.first == UInt8(ascii: " ") ? $0 : " " + $0 }
      }
    }
  }

  private static func split(
    _ text: Substring, by pattern: TextPattern, _ behavior: Behavior, isInverted: Bool
  ) -> [Substring] {
    let parts = pattern.parts(of: text).map { (range: $0.range, isMatch: $0.isMatch != isInverted) }
    let ranges =
      switch behavior {
      case .isolated: parts.map(\.range)
      case .removed: parts.filter { !$0.isMatch }.map(\.range)
      case .contiguous: merged(parts) { $0 == $1 }
      case .mergedWithPrevious: merged(parts) { !$0 && $1 }
      case .mergedWithNext: mergedWithNext(parts)
      }
    return ranges.map { text[$0] }
  }

  /// Joins a part to the one before it where `joins` says so of the two; the first counts as if it
  /// came behind one that is no match.
  private static func merged(
    _ parts: [(range: Range<Substring.Index>, isMatch: Bool)], _ joins: (Bool, Bool) -> Bool
  ) -> [Range<Substring.Index>] {
    var ranges: [Range<Substring.Index>] = []
    var previous = false
    for (range, isMatch) in parts {
      if joins(previous, isMatch), let last = ranges.popLast() {
        ranges.append(last.lowerBound..<range.upperBound)
      } else {
        ranges.append(range)
      }
      previous = isMatch
    }
    return ranges
  }

  private static func mergedWithNext(
    _ parts: [(range: Range<Substring.Index>, isMatch: Bool)]
  ) -> [Range<Substring.Index>] {
    var ranges: [Range<Substring.Index>] = []
    var next = false
    for (range, isMatch) in parts.reversed() {
      if isMatch, !next, let first = ranges.popLast() {
        ranges.append(range.lowerBound..<first.upperBound)
      } else {
        ranges.append(range)
      }
      next = isMatch
    }
    return ranges.reversed()
  }
}

/// A regular expression of a tokenizer's file, as Oniguruma reads it.
///
/// Kept compiled from one text to the next: to compile it takes longer than most texts. Texts at the
/// same time do not wait for each other: each has an expression of its own.
final class TextPattern: Sendable {
  private let source: String
  private let idle: Mutex<[CompiledPattern]>

  /// An expression in Oniguruma's syntax.
  /// - Throws: what is wrong with it, or what of it has no equal here.
  convenience init(regex: String) throws {
    try self.init(compiling: OnigurumaPattern.translated(regex))
  }

  /// A text that is found as it is.
  convenience init(literal: String) throws {
    let scalars = literal.unicodeScalars.map { "\\u{\(String($0.value, radix: 16))}" }
    try self.init(compiling: scalars.joined())
  }

  private init(compiling source: String) throws {
    self.source = source
    idle = Mutex([try CompiledPattern(source)])
  }

  /// A text's matches and what lies between them, in order; none is empty.
  func parts(of text: Substring) -> [(range: Range<Substring.Index>, isMatch: Bool)] {
    let pattern = take()
    defer { idle.withLock { $0.append(pattern) } }
    var parts: [(range: Range<Substring.Index>, isMatch: Bool)] = []
    var end = text.startIndex
    for match in text.matches(of: pattern.regex) where !match.range.isEmpty {
      if end < match.range.lowerBound { parts.append((end..<match.range.lowerBound, false)) }
      parts.append((match.range, true))
      end = match.range.upperBound
    }
    if end < text.endIndex { parts.append((end..<text.endIndex, false)) }
    return parts
  }

  private func take() -> CompiledPattern {
    if let pattern = idle.withLock({ $0.popLast() }) { return pattern }
    do {
      return try CompiledPattern(source)
    } catch {
      preconditionFailure("the pattern was compiled before: \(error)")
    }
  }
}

private final class CompiledPattern: @unchecked Sendable {
  // Sendable: one text at a time uses it. A regular expression is not sendable of itself, since it
  // compiles itself at first use.
  let regex: Regex<AnyRegexOutput>

  init(_ source: String) throws {
    // Patterns speak of code points, not of what a reader sees as one character.
    regex = try Regex(source).matchingSemantics(.unicodeScalar)
  }
}
