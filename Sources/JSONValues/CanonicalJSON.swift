/// The form of JSON that the documented dialect signs.
///
/// Keys sorted by code point at every level, no white space, everything outside printable ASCII
/// escaped as `\uXXXX` (surrogate pairs beyond the basic plane), `/` as it is, and numbers exactly
/// as in the value: `100.0` in a body is signed as `100.0`. It is what Python's
/// `json.dumps(payload, sort_keys=True, separators=(",", ":"))` gives.
public enum CanonicalJSON {
  /// The canonical text of a value.
  public static func text(of value: JSON) -> String {
    var printer = JSONPrinter(escapesNonASCII: true, sortsKeys: true)
    printer.append(value)
    return String(decoding: printer.output, as: UTF8.self)
  }
}

/// The form of JSON that the deployed dialect signs, that of JavaScript's `JSON.stringify`.
///
/// Keys in their order, no white space, raw UTF-8, and numbers as JavaScript prints them after it
/// has parsed them as doubles: `600.0` in a body is signed as `600`.
public enum JavaScriptJSON {
  /// The text that `JSON.stringify` gives for a value.
  public static func text(of value: JSON) -> String { reprinted(value).text }

  private static func reprinted(_ value: JSON) -> JSON {
    switch value {
    case .null, .bool, .string: return value
    case .number(let number):
      let double = number.double
      // JavaScript reads 1e400 as Infinity and prints what JSON cannot spell as null.
      return double.isFinite ? .number(JSONNumber(javaScript: double)) : .null
    case .array(let elements): return .array(elements.map(reprinted))
    case .object(let object):
      let members = object.members.map { ($0.key, reprinted($0.value)) }
      return .object(JSONObject(uniqueMembers: members))
    }
  }
}

/// Prints JSON without white space.
struct JSONPrinter {
  /// Whether everything outside printable ASCII is escaped, as Python does by default.
  let escapesNonASCII: Bool
  /// Whether the members of objects come in the order of their names' code points.
  let sortsKeys: Bool
  private(set) var output: [UInt8] = []

  init(escapesNonASCII: Bool, sortsKeys: Bool) {
    self.escapesNonASCII = escapesNonASCII
    self.sortsKeys = sortsKeys
  }

  mutating func append(_ value: JSON) {
    switch value {
    case .null: append("null")
    case .bool(let value): append(value ? "true" : "false")
    case .number(let number): append(number.text)
    case .string(let text): appendString(text)
    case .array(let elements):
      output.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        append(element)
      }
      output.append(UInt8(ascii: "]"))
    case .object(let object):
      output.append(UInt8(ascii: "{"))
      for (index, member) in (sortsKeys ? object.sortedMembers : object.members).enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        appendString(member.key)
        output.append(UInt8(ascii: ":"))
        append(member.value)
      }
      output.append(UInt8(ascii: "}"))
    }
  }

  private mutating func append(_ text: String) { output.append(contentsOf: text.utf8) }

  private mutating func appendString(_ text: String) {
    output.append(UInt8(ascii: "\""))
    if text.utf8.allSatisfy(Self.isPlain) {
      output.append(contentsOf: text.utf8)
    } else {
      for scalar in text.unicodeScalars { appendScalar(scalar) }
    }
    output.append(UInt8(ascii: "\""))
  }

  /// Whether a byte stands for itself: printable ASCII but for the two that are escaped.
  private static func isPlain(_ byte: UInt8) -> Bool {
    (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  private mutating func appendScalar(_ scalar: UnicodeScalar) {
    switch scalar {
    case "\"": append("\\\"")
    case "\\": append("\\\\")
    case "\u{08}": append("\\b")
    case "\u{0c}": append("\\f")
    case "\n": append("\\n")
    case "\r": append("\\r")
    case "\t": append("\\t")
    case "\u{20}"..."\u{7e}": output.append(UInt8(truncatingIfNeeded: scalar.value))
    case ..<"\u{20}": appendEscaped(UInt16(scalar.value))
    default:
      if escapesNonASCII {
        for unit in String(scalar).utf16 { appendEscaped(unit) }
      } else {
        append(String(scalar))
      }
    }
  }

  private mutating func appendEscaped(_ unit: UInt16) {
    let digits = String(unit, radix: 16)
    append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
  }
}
