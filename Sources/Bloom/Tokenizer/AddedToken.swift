/// A token that is cut out of the text before the rest is split into words.
struct AddedToken: Hashable, Sendable {
  let id: Int32
  /// Its text, as the file spells it.
  let content: String
  /// Only as a word of its own: no letter, digit, mark or connector beside it.
  var isSingleWord = false
  /// Takes the white space before it along.
  var stripsLeft = false
  /// Takes the white space behind it along.
  var stripsRight = false
  /// Found in the normalised text, after those that are found in the text as it is.
  var isNormalized = false
}

/// Finds added tokens: of those that begin first in the text, the longest.
struct AddedTokenFinder: Sendable {
  /// A part of a text: an added token, or what lies between.
  struct Part: Hashable {
    let id: Int32?
    let range: Range<Int>
  }

  private struct Pattern {
    let bytes: [UInt8]
    let token: AddedToken
  }

  /// Whether there are none to find.
  var isEmpty: Bool { patterns.isEmpty }

  /// By the first byte; the longest first.
  private let patterns: [UInt8: [Pattern]]

  /// `tokens` with the text that each is found by; no text is empty, and no two are the same.
  init(_ tokens: [(token: AddedToken, text: String)]) {
    patterns = Dictionary(
      grouping: tokens.map { Pattern(bytes: Array($0.text.utf8), token: $0.token) },
      by: { $0.bytes[0] }
    ).mapValues { $0.sorted { $0.bytes.count > $1.bytes.count } }
  }

  /// The parts of a text's UTF-8, in order; none is empty, unless white space before a token was
  /// taken along by the one before.
  func parts(of text: [UInt8]) -> [Part] {
    var parts: [Part] = []
    var end = 0
    var place = 0
    while place < text.count {
      guard
        let match = patterns[text[place]]?.first(where: { text[place...].starts(with: $0.bytes) })
      else {
        place += 1
        continue
      }
      var range = place..<(place + match.bytes.count)
      // The search goes on behind the match, even where the token was not one or took more along.
      place = range.upperBound
      if match.token.isSingleWord, !Surroundings.isAlone(range, in: text) { continue }
      let first =
        match.token.stripsLeft
        ? Surroundings.space(before: range.lowerBound, from: end, in: text) : range.lowerBound
      let last =
        match.token.stripsRight
        ? Surroundings.space(behind: range.upperBound, in: text) : range.upperBound
      range = min(first, last)..<last
      if end < range.lowerBound { parts.append(Part(id: nil, range: end..<range.lowerBound)) }
      parts.append(Part(id: match.token.id, range: range))
      end = range.upperBound
    }
    if end < text.count { parts.append(Part(id: nil, range: end..<text.count)) }
    return parts
  }
}

/// What lies beside a match, looked at one code point at a time.
private enum Surroundings {
  static func isAlone(_ range: Range<Int>, in text: [UInt8]) -> Bool {
    let before = scalar(before: range.lowerBound, in: text[...])
    let behind = scalar(at: range.upperBound, in: text)
    return !(before?.isPartOfWord ?? false) && !(behind?.isPartOfWord ?? false)
  }

  /// Where the white space before a place begins, no further left than `start`.
  static func space(before place: Int, from start: Int, in text: [UInt8]) -> Int {
    var place = place
    while place > start, let scalar = scalar(before: place, in: text[start...]),
      scalar.properties.isWhitespace
    { place -= UTF8.width(scalar) }
    return place
  }

  /// Where the white space at a place ends.
  static func space(behind place: Int, in text: [UInt8]) -> Int {
    var place = place
    while let scalar = scalar(at: place, in: text), scalar.properties.isWhitespace {
      place += UTF8.width(scalar)
    }
    return place
  }

  private static func scalar(before place: Int, in text: ArraySlice<UInt8>) -> Unicode.Scalar? {
    guard place > text.startIndex else { return nil }
    return String(decoding: text[..<place].suffix(4), as: UTF8.self).unicodeScalars.last
  }

  private static func scalar(at place: Int, in text: [UInt8]) -> Unicode.Scalar? {
    String(decoding: text[place...].prefix(4), as: UTF8.self).unicodeScalars.first
  }
}

extension Unicode.Scalar {
  /// A word's character by UTS #18, annex C: letters, marks, decimal digits, connectors, joiners.
  fileprivate var isPartOfWord: Bool {
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return false
    }
  }
}
