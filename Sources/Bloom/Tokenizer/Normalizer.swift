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
