/// Reads and writes percent-encoded text (RFC 3986 §2.1).
package enum PercentEncoding {
  /// Encodes a part of a path or a query: all but letters, digits and `-._~`.
  package static func encodeComponent(_ text: String) -> String {
    text.utf8.reduce(into: "") { result, byte in
      if byte.isUnreserved {
        result.unicodeScalars.append(UnicodeScalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%" + String(repeating: "0", count: 2 - digits.count) + digits
      }
    }
  }

  /// Decodes a name or a value of a query or a form; `+` is a space, an escape that is none stays as
  /// it is.
  package static func decodeForm(_ text: some Collection<UInt8>) -> String {
    var bytes: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), let value = escaped(rest) {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Decodes a part of a path; nil where an escape is none, or the bytes are not UTF-8.
  package static func decodeComponent(_ text: String) -> String? {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
    var bytes: [UInt8] = []
    var rest = Substring(text).utf8
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let value = escaped(rest) else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// What the two digits behind a percent sign stand for; nil where they are none.
  static func escaped(_ text: some Collection<UInt8>) -> UInt8? {
    let digits = text.prefix(2).compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    return digits.count == 2 ? UInt8(digits[0] << 4 | digits[1]) : nil
  }
}

extension UInt8 {
  /// Whether the byte needs no escape anywhere in a URL (RFC 3986 §2.3).
  var isUnreserved: Bool {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: "-._~".utf8.contains(self)
    }
  }
}
