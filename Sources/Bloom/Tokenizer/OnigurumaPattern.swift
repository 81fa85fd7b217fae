/// A regular expression in Oniguruma's syntax (its Ruby one, which tokenizers uses), written anew for
/// Swift: the same text means other things to the two.
///
/// What has no equal is refused, never left to mean something else.
struct OnigurumaPattern {
  /// What of a pattern has no equal here.
  struct Unsupported: Error, CustomStringConvertible {
    let construct: String

    var description: String { "the pattern's \(construct) is not supported" }
  }

  private var rest: ArraySlice<Unicode.Scalar>
  private var output = String.UnicodeScalarView()
  /// Whether letters match in either case, for each open group.
  private var ignoresCase = [false]

  /// The pattern for Swift's `Regex` with the semantics of Unicode scalars.
  static func translated(_ pattern: String) throws -> String {
    var translation = OnigurumaPattern(rest: Array(pattern.unicodeScalars)[...])
    while let scalar = translation.rest.popFirst() { try translation.append(scalar) }
    return String(translation.output)
  }

  private mutating func append(_ scalar: Unicode.Scalar) throws {
    switch scalar {
    case "\\": try appendEscape(inSet: false)
    case "[": try appendSet()
    case "(": try appendGroup()
    case ")":
      if ignoresCase.count > 1 { ignoresCase.removeLast() }
      emit(")")
    // In Oniguruma only a line feed ends a line.
    case ".": emit(#"[^\n]"#)
    case "$": emit(#"(?=\n|\z)"#)
    case "^": throw Unsupported(construct: "^")
    case "{": try appendInterval()
    default: appendLiteral(scalar)
    }
  }

  private mutating func appendLiteral(_ scalar: Unicode.Scalar) {
    if let cases = casesUnknownToSwift(of: scalar) {
      emit("[\(cases)]")
    } else {
      output.append(scalar)
    }
  }

  /// Long s and the Kelvin sign are the other cases of s and k that Swift does not know.
  private func casesUnknownToSwift(of scalar: Unicode.Scalar) -> String? {
    guard isIgnoringCase else { return nil }
    switch scalar {
    case "s", "S", "\u{17F}": return "sS\u{17F}"
    case "k", "K", "\u{212A}": return "kK\u{212A}"
    default: return nil
    }
  }

  private mutating func appendInterval() throws {
    emit("{")
    while let scalar = rest.popFirst() {
      output.append(scalar)
      if scalar == "}" { break }
    }
    // Possessive to Swift, one more quantifier to Oniguruma.
    if rest.first == "+" { throw Unsupported(construct: "{…}+") }
  }

  private mutating func appendGroup() throws {
    guard rest.first == "?" else {
      ignoresCase.append(isIgnoringCase)
      return emit("(")
    }
    for (opening, insensitive) in [
      ("?:", false), ("?=", false), ("?!", false), ("?>", false), ("?<=", false), ("?<!", false),
      ("?i:", true),
    ] where rest.starts(with: opening.unicodeScalars) {
      rest = rest.dropFirst(opening.unicodeScalars.count)
      ignoresCase.append(isIgnoringCase || insensitive)
      return emit("(" + opening)
    }
    guard rest.starts(with: "?i)".unicodeScalars) else {
      throw Unsupported(construct: "(" + String(String.UnicodeScalarView(rest.prefix(3))))
    }
    rest = rest.dropFirst(3)
    ignoresCase[ignoresCase.count - 1] = true
    emit("(?i)")
  }

  private var isIgnoringCase: Bool { ignoresCase[ignoresCase.count - 1] }

  private mutating func emit(_ text: String) { output.append(contentsOf: text.unicodeScalars) }
}

extension OnigurumaPattern {
  private mutating func appendSet() throws {
    emit("[")
    if rest.first == "^" {
      rest = rest.dropFirst()
      emit("^")
    }
    if rest.first == "]" { throw Unsupported(construct: "empty set") }
    while let scalar = rest.popFirst() {
      switch scalar {
      case "]": return emit("]")
      case "[":
        if rest.first == ":" { throw Unsupported(construct: "[:…:]") }
        try appendSet()
      case "\\": try appendEscape(inSet: true)
      case "-" where rest.first == "-", "~" where rest.first == "~":
        throw Unsupported(construct: "\(scalar)\(scalar) in a set")
      case "-" where isIgnoringCase && rest.first != "]":
        throw Unsupported(construct: "range of letters in either case")
      default: emit(casesUnknownToSwift(of: scalar) ?? String(scalar))
      }
    }
    throw Unsupported(construct: "set without an end")
  }

  private mutating func appendEscape(inSet: Bool) throws {
    guard let scalar = rest.popFirst() else { throw Unsupported(construct: "\\ at its end") }
    switch scalar {
    case "s", "S", "A", "z": emit("\\" + String(scalar))
    case "d": emit(#"\p{Nd}"#)
    case "D": emit(#"\P{Nd}"#)
    case "h": emit("[0-9A-Fa-f]")
    case "H": emit("[^0-9A-Fa-f]")
    case "w": emit("[\(Self.word)\(inSet ? "" : Self.fractions)]")
    case "W": emit("[^\(Self.word)\(inSet ? "" : Self.fractions)]")
    case "n": emit(#"\n"#)
    case "r": emit(#"\r"#)
    case "t": emit(#"\t"#)
    case "v": emit(#"\u{B}"#)
    case "f": emit(#"\u{C}"#)
    case "a": emit(#"\u{7}"#)
    case "e": emit(#"\u{1B}"#)
    case "u": try appendCode(digits: take(4))
    case "x": try appendHexadecimal()
    case "p", "P": try appendProperty(isNegated: scalar == "P")
    case "0"..."9", "A"..."Z", "a"..."z": throw Unsupported(construct: "\\\(scalar)")
    default: emit("\\" + String(scalar))
    }
  }

  /// What `\w` is to Oniguruma, and what it is outside of sets only.
  private static let word = #"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}"#
  private static let fractions = "²³¹¼½¾"

  private mutating func take(_ count: Int) -> String {
    defer { rest = rest.dropFirst(count) }
    return String(String.UnicodeScalarView(rest.prefix(count)))
  }

  private mutating func braced() throws -> String {
    guard rest.popFirst() == "{", let end = rest.firstIndex(of: "}") else {
      throw Unsupported(construct: "escape without {…}")
    }
    defer { rest = rest[(end + 1)...] }
    return String(String.UnicodeScalarView(rest[..<end]))
  }

  private mutating func appendHexadecimal() throws {
    if rest.first == "{" { return try appendCode(digits: braced()) }
    let digits = take(2)
    // Above ASCII they are bytes of UTF-8 to Oniguruma.
    guard let value = UInt8(digits, radix: 16), value < 0x80 else {
      throw Unsupported(construct: "\\x\(digits)")
    }
    try appendCode(digits: digits)
  }

  private mutating func appendCode(digits: String) throws {
    guard let value = UInt32(digits, radix: 16), Unicode.Scalar(value) != nil else {
      throw Unsupported(construct: "code point \(digits)")
    }
    emit("\\u{\(String(value, radix: 16))}")
  }

  private mutating func appendProperty(isNegated: Bool) throws {
    var name = try braced()
    var isNegated = isNegated
    if name.unicodeScalars.first == "^" {
      name = String(name.unicodeScalars.dropFirst())
      isNegated.toggle()
    }
    let letter = isNegated ? "P" : "p"
    if Self.categories.contains(name) {
      emit("\\\(letter){\(name)}")
    } else if Self.scripts.contains(name) {
      emit("\\\(letter){sc=\(name)}")
    } else {
      throw Unsupported(construct: "\\\(letter){\(name)}")
    }
  }

  private static let categories: Set<String> = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc",
    "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C",
    "Cc", "Cf", "Co",
  ]

  private static let scripts: Set<String> = [
    "Han", "Hiragana", "Katakana", "Hangul", "Latin", "Greek", "Cyrillic", "Arabic", "Hebrew",
    "Thai", "Devanagari",
  ]
}
