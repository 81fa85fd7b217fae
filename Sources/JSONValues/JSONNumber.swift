/// A JSON number, held as the text that spells it.
public struct JSONNumber: Hashable, Sendable {
  /// The spelling, which is valid JSON; in a model's files also one of Python's three for no number.
  public let text: String

  /// An integer in decimal digits.
  public init(_ value: some BinaryInteger) { text = String(value) }

  /// A finite double as Python's `repr` prints it: `100.0`, `67.14`, `1e-05`, `1e+16`.
  ///
  /// A double that JSON cannot spell, infinite or not a number, traps.
  public init(python value: Double) { text = DoubleText(value).python }

  /// A finite double as JavaScript prints it: `100`, `67.14`, `0.00001`, `1e+21`.
  ///
  /// A double that JSON cannot spell, infinite or not a number, traps.
  public init(javaScript value: Double) { text = DoubleText(value).javaScript }

  /// A number spelled by a text, or nil when the text is no JSON number.
  public init?(_ text: String) {
    guard case .number(let number)? = try? JSON.parse(text), number.text == text else {
      // What fails to parse, or parses to more than the text's own number, is no number.
      return nil
    }
    self = number
  }

  /// A text that the scanner has found to be a number.
  init(verified text: String) { self.text = text }

  /// The nearest double; a number beyond the range of doubles is infinite.
  public var double: Double { Double(text) ?? .nan }

  /// Whether the number is written without fraction and exponent.
  public var isInteger: Bool { !text.utf8.contains { $0 == 0x2e || $0 | 0x20 == 0x65 } }

  /// The integer, when the number is written as one and fits 64 bits.
  public var integer: Int64? { Int64(text) }
}

/// The shortest decimal digits that read back to a double, and where their point stands.
struct DoubleText {
  private let isNegative: Bool
  /// Digits without leading or trailing zeros, except for a lone zero.
  private let digits: String
  /// The point stands after this many digits: 0.5 has 0, 5 has 1, 0.05 has −1.
  private let point: Int

  init(_ value: Double) {
    precondition(value.isFinite, "JSON cannot spell \(value)")
    // Swift prints the shortest digits too; only its layout differs from the other two.
    let parts = value.magnitude.description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let fraction = mantissa.count > 1 ? mantissa[1] : ""
    let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    let all = mantissa[0] + fraction
    let leading = all.prefix { $0 == "0" }.count
    let significant = all.dropFirst(leading)
    isNegative = value.sign == .minus
    if significant.isEmpty {
      (digits, point) = ("0", 1)
    } else {
      let trailing = significant.reversed().prefix { $0 == "0" }.count
      digits = String(significant.dropLast(trailing))
      point = mantissa[0].count - leading + exponent
    }
  }

  /// Python's `repr`: an exponent of two digits at least, from 1e16 on and below 1e-4.
  var python: String {
    let sign = isNegative ? "-" : ""
    guard (-3...16).contains(point) else {
      let exponent = point - 1
      let padding = exponent.magnitude < 10 ? "0" : ""
      return sign + scientific + (exponent < 0 ? "-" : "+") + padding + "\(exponent.magnitude)"
    }
    let text = plain
    return sign + (text.contains(".") ? text : text + ".0")
  }

  /// JavaScript's `Number::toString`: an exponent from 1e21 on and below 1e-6; no negative zero.
  var javaScript: String {
    let sign = isNegative && digits != "0" ? "-" : ""
    guard (-5...21).contains(point) else {
      let exponent = point - 1
      return sign + scientific + (exponent < 0 ? "-" : "+") + "\(exponent.magnitude)"
    }
    return sign + plain
  }

  /// The digits with the point after the first, and an `e`.
  private var scientific: String {
    digits.count == 1 ? digits + "e" : digits.prefix(1) + "." + digits.dropFirst() + "e"
  }

  /// The digits with zeros where there are none, and a point where one is needed.
  private var plain: String {
    if point <= 0 { return "0." + String(repeating: "0", count: -point) + digits }
    if point >= digits.count { return digits + String(repeating: "0", count: point - digits.count) }
    return digits.prefix(point) + "." + digits.dropFirst(point)
  }
}
