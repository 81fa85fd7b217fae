import Foundation

/// What a text is changed to before it is split into words.
struct Normalizer: Sendable {
  enum Step: Sendable {
    case nfc, nfd, nfkc, nfkd
    /// Each code point by itself, whatever surrounds it.
    case lowercase
    /// Without its marks.
    case stripAccents
    case strip(left: Bool, right: Bool)
    case prepend(String)
    case replace(TextPattern, with: String)
  }

  /// In their order.
  let steps: [Step]

  func normalized(_ text: String) -> String {
    steps.reduce(text) { Self.apply($1, to: $0) }
  }

  private static func apply(_ step: Step, to text: String) -> String {
    switch step {
    case .nfc: return NormalizationForm.composed(text, isCompatible: false)
    case .nfd: return NormalizationForm.decomposed(text, isCompatible: false)
    case .nfkc: return NormalizationForm.composed(text, isCompatible: true)
    case .nfkd: return NormalizationForm.decomposed(text, isCompatible: true)
    case .lowercase:
      return text.unicodeScalars.reduce(into: "") { $0 += $1.properties.lowercaseMapping }
    case .stripAccents:
      return String(String.UnicodeScalarView(text.unicodeScalars.filter { !$0.isMark }))
    case .strip(let left, let right):
      var scalars = text.unicodeScalars[...]
      if left { scalars = scalars.drop { $0.properties.isWhitespace } }
      if right { while scalars.last?.properties.isWhitespace == true { scalars.removeLast() } }
      return String(scalars)
    case .prepend(let prefix): return text.isEmpty ? text : prefix + text
    case .replace(let pattern, let content):
      return pattern.parts(of: text[...]).reduce(into: "") {
        $0 += $1.isMatch ? content[...] : text[$1.range]
      }
    }
  }
}

extension Unicode.Scalar {
  fileprivate var isMark: Bool {
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }
}

/// The normalization forms of UAX #15.
///
/// Foundation is asked about one or two code points at a time only: of longer texts its functions
/// lose code points on Linux (a tag, U+E0061, before a combining mark).
enum NormalizationForm {
  /// NFD, or NFKD.
  static func decomposed(_ text: String, isCompatible: Bool) -> String {
    string(ordered(text, isCompatible))
  }

  /// NFC, or NFKC.
  static func composed(_ text: String, isCompatible: Bool) -> String {
    var result: [Unicode.Scalar] = []
    /// Where the last starter is, and the class of what came behind it.
    var starter: Int?
    var last: UInt8 = 0
    for scalar in ordered(text, isCompatible) {
      let order = scalar.order
      if let place = starter, last < order || last == 0 && result.count == place + 1,
        let joined = composite(result[place], scalar)
      {
        result[place] = joined
        continue
      }
      if order == 0 { starter = result.count }
      last = order
      result.append(scalar)
    }
    return string(result)
  }

  /// Every code point decomposed, marks in the order of their classes.
  private static func ordered(_ text: String, _ isCompatible: Bool) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    for scalar in text.unicodeScalars.lazy.flatMap({ decomposition($0, isCompatible) }) {
      let order = scalar.order
      var place = result.count
      if order > 0 { while place > 0, result[place - 1].order > order { place -= 1 } }
      result.insert(scalar, at: place)
    }
    return result
  }

  private static func decomposition(
    _ scalar: Unicode.Scalar, _ isCompatible: Bool
  ) -> [Unicode.Scalar] {
    // Nothing before U+00A0 decomposes.
    guard scalar.value >= 0xA0 else { return [scalar] }
    let text = String(scalar)
    return Array(
      (isCompatible
        ? text.decomposedStringWithCompatibilityMapping : text.decomposedStringWithCanonicalMapping)
        .unicodeScalars)
  }

  /// The one code point that two make together.
  private static func composite(_ a: Unicode.Scalar, _ b: Unicode.Scalar) -> Unicode.Scalar? {
    // What composes with the code point before it begins at U+0300.
    guard b.value >= 0x300 else { return nil }
    if let syllable = syllable(a.value, b.value) { return syllable }
    let joined = string([a, b]).precomposedStringWithCanonicalMapping.unicodeScalars
    guard joined.count == 1, let result = joined.first else { return nil }
    let parts = decomposition(a, false) + decomposition(b, false)
    return decomposition(result, false) == parts ? result : nil
  }

  /// Hangul, by the arithmetic of the Unicode Standard, 3.12: a lead and a vowel, or a syllable
  /// without a tail and a tail.
  private static func syllable(_ a: UInt32, _ b: UInt32) -> Unicode.Scalar? {
    let first: UInt32 = 0xAC00
    let tails: UInt32 = 28
    if (0x1100..<0x1113).contains(a), (0x1161..<0x1176).contains(b) {
      return Unicode.Scalar(first + ((a - 0x1100) * 21 + b - 0x1161) * tails)
    }
    if (first..<0xD7A4).contains(a), (a - first).isMultiple(of: tails),
      (0x11A8..<0x11C3).contains(b)
    {
      return Unicode.Scalar(a + b - 0x11A7)
    }
    return nil
  }

  private static func string(_ scalars: [Unicode.Scalar]) -> String {
    String(String.UnicodeScalarView(scalars))
  }
}

extension Unicode.Scalar {
  /// The canonical combining class.
  fileprivate var order: UInt8 { properties.canonicalCombiningClass.rawValue }
}
