import Synchronization

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
