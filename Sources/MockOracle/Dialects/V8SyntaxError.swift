/// What V8 says of a text that is no JSON, in the words of Node.js 20.
///
/// Positions count UTF-16 units, as JavaScript does.
struct V8SyntaxError {
  /// The message.
  let message: String

  /// The error of a body, or nil for JSON.
  ///
  /// As body-parser demands it, the text must begin with `{` or `[`.
  init?(in bytes: [UInt8]) {
    var scanner = Scanner(Array(String(decoding: bytes, as: UTF8.self).utf16))
    scanner.skipSpace()
    if let first = scanner.current, first != Scanner.brace, first != Scanner.bracket {
      message = scanner.unexpectedToken()
      return
    }
    do throws(Failure) {
      try scanner.text()
      return nil
    } catch {
      message = error.message
    }
  }

  fileprivate struct Failure: Error {
    let message: String
  }
}

extension V8SyntaxError {
  /// Reads JSON as V8's parser does, to find where it stops.
  fileprivate struct Scanner {
    static let brace = UInt16(UInt8(ascii: "{"))
    static let bracket = UInt16(UInt8(ascii: "["))

    /// How many units are shown before and behind the one that is wrong.
    private static let context = 10

    private let units: [UInt16]
    private var position = 0

    init(_ units: [UInt16]) {
      self.units = units
    }

    var current: UInt16? { position < units.count ? units[position] : nil }

    mutating func skipSpace() {
      while let unit = current, [0x20, 0x09, 0x0a, 0x0d].contains(unit) { position += 1 }
    }

    /// The one value of the text; containers are held in a list, so that depth costs no stack.
    mutating func text() throws(Failure) {
      var closings: [UInt16] = []
      repeat {
        try value(&closings)
        try close(&closings)
      } while !closings.isEmpty
      skipSpace()
      guard current == nil else {
        throw Failure(
          message: "Unexpected non-whitespace character after JSON at position \(position)")
      }
    }

    /// Reads a value, or the opening of one up to its first element.
    private mutating func value(_ closings: inout [UInt16]) throws(Failure) {
      while true {
        skipSpace()
        switch current.flatMap({ UnicodeScalar($0) }) {
        case "{":
          position += 1
          skipSpace()
          if take("}") { return }
          guard current == UInt16(UInt8(ascii: "\"")) else {
            throw at("Expected property name or '}'")
          }
          try name()
          closings.append(UInt16(UInt8(ascii: "}")))
        case "[":
          position += 1
          skipSpace()
          if take("]") { return }
          closings.append(UInt16(UInt8(ascii: "]")))
        case "\"": return try string()
        case "t": return try word("true")
        case "f": return try word("false")
        case "n": return try word("null")
        case "-", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9": return try number()
        default: throw Failure(message: unexpectedToken())
        }
      }
    }

    /// Reads what stands behind a value, up to the next one.
    private mutating func close(_ closings: inout [UInt16]) throws(Failure) {
      while let closing = closings.last {
        skipSpace()
        let isObject = closing == UInt16(UInt8(ascii: "}"))
        if take(",") {
          guard isObject else { return }
          skipSpace()
          guard current == UInt16(UInt8(ascii: "\"")) else {
            throw at("Expected double-quoted property name")
          }
          return try name()
        }
        guard current == closing else {
          throw at(
            isObject
              ? "Expected ',' or '}' after property value"
              : "Expected ',' or ']' after array element"
          )
        }
        position += 1
        closings.removeLast()
      }
    }

    private mutating func name() throws(Failure) {
      try string()
      skipSpace()
      guard take(":") else { throw at("Expected ':' after property name") }
    }

    private mutating func string() throws(Failure) {
      position += 1
      while let unit = current {
        switch unit {
        case UInt16(UInt8(ascii: "\"")):
          position += 1
          return
        case UInt16(UInt8(ascii: "\\")):
          position += 1
          try escape()
        case 0..<0x20: throw at("Bad control character in string literal")
        default: position += 1
        }
      }
      throw at("Unterminated string")
    }

    private mutating func escape() throws(Failure) {
      guard let unit = current else { throw at("Unterminated string") }
      guard unit == UInt16(UInt8(ascii: "u")) else {
        guard "\"\\/bfnrt".utf16.contains(unit) else { throw at("Bad escaped character") }
        position += 1
        return
      }
      position += 1
      for _ in 0..<4 {
        guard let digit = current.flatMap({ UnicodeScalar($0) }),
          Character(digit).isASCII, Character(digit).isHexDigit
        else { throw at("Bad Unicode escape") }
        position += 1
      }
    }

    private mutating func number() throws(Failure) {
      if take("-"), !hasDigit { throw at("No number after minus sign") }
      if take("0") {
        if hasDigit { throw at("Unexpected number") }
      } else {
        skipDigits()
      }
      if take(".") {
        guard hasDigit else { throw at("Unterminated fractional number") }
        skipDigits()
      }
      if take("e") || take("E") {
        if !take("+") { _ = take("-") }
        guard hasDigit else { throw at("Exponent part is missing a number") }
        skipDigits()
      }
    }

    private var hasDigit: Bool { current.map { (0x30...0x39).contains($0) } ?? false }

    private mutating func skipDigits() {
      while hasDigit { position += 1 }
    }

    private mutating func word(_ word: String) throws(Failure) {
      for unit in word.utf16 {
        guard current == unit else { throw Failure(message: unexpectedToken()) }
        position += 1
      }
    }

    private mutating func take(_ sign: Unicode.Scalar) -> Bool {
      guard current == UInt16(sign.value) else { return false }
      position += 1
      return true
    }

    private func at(_ what: String) -> Failure {
      Failure(message: "\(what) in JSON at position \(position)")
    }

    /// What is said of the current unit where none of its kind can stand.
    func unexpectedToken() -> String {
      guard let unit = current else { return "Unexpected end of JSON input" }
      if !isFirst, let token = UnicodeScalar(unit) {
        // Where such a token begins, it is named by its kind.
        if token == "\"" { return "Unexpected string in JSON at position \(position)" }
        if hasDigit || token == "-" { return "Unexpected number in JSON at position \(position)" }
      }
      let (width, count) = (Self.context, units.count)
      var (start, end) = (0, count)
      var (before, behind) = ("", "")
      if count > 2 * width {
        if position >= width { (start, before) = (position - width, "...") }
        if position < count - width { (end, behind) = (position + width, "...") }
      }
      let token = String(decoding: [unit], as: UTF16.self)
      let shown = String(decoding: units[start..<end], as: UTF16.self)
      return "Unexpected token '\(token)', \(before)\"\(shown)\"\(behind) is not valid JSON"
    }

    /// Whether nothing but white space stands before the current unit.
    private var isFirst: Bool {
      units[..<position].allSatisfy { [0x20, 0x09, 0x0a, 0x0d].contains($0) }
    }
  }
}
