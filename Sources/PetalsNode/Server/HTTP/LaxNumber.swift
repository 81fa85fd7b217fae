import PlumiseWire

/// A number of a request's body, read as pydantic's lax mode reads it, which the network's Python
/// agents use: texts that spell a number, and whole numbers that are written with a fraction.
struct LaxNumber<Value: Sendable & Equatable>: Sendable, Equatable {
  /// The number; one beyond the type's range is its greatest or least.
  let value: Value
}

/// Why a value is no such number: what pydantic says.
struct LaxNumberError: Error, Hashable, Sendable {
  let type: String
  let message: String
}

extension LaxNumber<Int64> {
  init(_ json: JSON) throws(LaxNumberError) {
    switch json {
    case .bool(let bool): value = bool ? 1 : 0
    case .number(let number) where number.isInteger: value = Self.clamped(number.text)
    case .number(let number): value = try Self.whole(number.double)
    case .string(let text):
      guard let number = Self.parse(text) else {
        throw LaxNumberError(
          type: "int_parsing",
          message: "Input should be a valid integer, unable to parse string as an integer")
      }
      value = number
    default:
      throw LaxNumberError(type: "int_type", message: "Input should be a valid integer")
    }
  }

  private static func whole(_ double: Double) throws(LaxNumberError) -> Int64 {
    guard double.isFinite else {
      throw LaxNumberError(type: "finite_number", message: "Input should be a finite number")
    }
    guard double == double.rounded(.towardZero) else {
      throw LaxNumberError(
        type: "int_from_float",
        message: "Input should be a valid integer, got a number with a fractional part")
    }
    return Int64(exactly: double) ?? (double < 0 ? .min : .max)
  }

  /// Digits with a sign if need be, single underscores between them, and a fraction of zeros alone.
  private static func parse(_ text: String) -> Int64? {
    var digits = LaxText.trimmed(text)
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative || digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
    if let point = digits.firstIndex(of: UInt8(ascii: ".")) {
      let fraction = digits[(point + 1)...]
      guard !fraction.isEmpty, fraction.allSatisfy({ $0 == UInt8(ascii: "0") }) else { return nil }
      digits = digits[..<point]
    }
    guard !digits.isEmpty else { return nil }
    if !isNegative { digits = LaxText.withoutLeadingZeros(digits) }
    guard let plain = LaxText.withoutUnderscores(digits), plain.allSatisfy(LaxText.isDigit) else {
      return nil
    }
    return clamped((isNegative ? "-" : "") + String(decoding: plain, as: UTF8.self))
  }

  /// - Parameter digits: with a minus sign or none.
  private static func clamped(_ digits: String) -> Int64 {
    Int64(digits) ?? (digits.utf8.first == UInt8(ascii: "-") ? .min : .max)
  }
}

extension LaxNumber<Double> {
  init(_ json: JSON) throws(LaxNumberError) {
    switch json {
    case .bool(let bool): value = bool ? 1 : 0
    case .number(let number): value = number.double
    case .string(let text):
      guard let number = Self.parse(text) else {
        throw LaxNumberError(
          type: "float_parsing",
          message: "Input should be a valid number, unable to parse string as a number")
      }
      value = number
    default:
      throw LaxNumberError(type: "float_type", message: "Input should be a valid number")
    }
  }

  private static func parse(_ text: String) -> Double? {
    let trimmed = LaxText.trimmed(text)
    // Pydantic takes underscores or spaces around a number, but not both.
    let hadSpaces = trimmed.count < text.utf8.count
    guard let plain = hadSpaces ? Array(trimmed) : LaxText.withoutUnderscores(trimmed) else {
      return nil
    }
    var digits = plain[...]
    if let sign = digits.first, LaxText.isSign(sign) { digits = digits.dropFirst() }
    let words = ["inf", "infinity", "nan"]
    guard
      isDecimal(digits) || words.contains(String(decoding: digits, as: UTF8.self).lowercased())
    else { return nil }
    return Double(String(decoding: plain, as: UTF8.self))
  }

  /// Digits, a point among or around them, and an exponent: no hexadecimal, no word.
  private static func isDecimal(_ text: ArraySlice<UInt8>) -> Bool {
    let mantissa = text.prefix { $0 | 0x20 != UInt8(ascii: "e") }
    let parts = mantissa.split(
      separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.joined().contains(where: LaxText.isDigit),
      parts.joined().allSatisfy(LaxText.isDigit)
    else { return false }
    guard mantissa.endIndex < text.endIndex else { return true }
    var exponent = text[(mantissa.endIndex + 1)...]
    if let sign = exponent.first, LaxText.isSign(sign) { exponent = exponent.dropFirst() }
    return !exponent.isEmpty && exponent.allSatisfy(LaxText.isDigit)
  }
}

/// The bytes of a text that may spell a number.
private enum LaxText {
  static func trimmed(_ text: String) -> ArraySlice<UInt8> {
    var scalars = text.unicodeScalars[...]
    while scalars.first?.properties.isWhitespace == true { scalars.removeFirst() }
    while scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
    return Array(String(scalars).utf8)[...]
  }

  static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  static func isSign(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
  }

  /// Leading zeros, with the underscores among them, but for a last zero that stands alone.
  static func withoutLeadingZeros(_ digits: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    guard digits.first == UInt8(ascii: "0") else { return digits }
    let rest = digits.drop { $0 == UInt8(ascii: "0") || $0 == UInt8(ascii: "_") }
    return rest.isEmpty ? digits.suffix(1) : rest
  }

  /// Nil when an underscore is not between two other characters.
  static func withoutUnderscores(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    let parts = text.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false)
    return parts.contains(where: \.isEmpty) ? nil : Array(parts.joined())
  }
}
