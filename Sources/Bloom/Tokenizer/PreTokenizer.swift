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
