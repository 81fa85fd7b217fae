/// Reads a JSON string up to its closing quotation mark.
struct JSONStringScanner {
  private let bytes: [UInt8]
  /// The next byte to read; the one behind the closing quotation mark at the end.
  private(set) var position: Int

  init(bytes: [UInt8], position: Int) {
    self.bytes = bytes
    self.position = position
  }

  mutating func scan() throws(JSONError) -> String {
    let start = position
    // Most strings have no escape: they are taken as they stand.
    while let byte = current, byte >= 0x20, byte != 0x22, byte != 0x5c { position += 1 }
    if current == 0x22 {
      position += 1
      return try text(bytes[start..<(position - 1)], at: start)
    }
    var content = Array(bytes[start..<position])
    while true {
      switch current {
      case nil: throw error(.unexpectedEnd)
      case 0x22:
        position += 1
        return try text(content[...], at: start)
      case 0x5c:
        position += 1
        try scanEscape(into: &content)
      case let byte? where byte < 0x20: throw error(.controlCharacter(byte))
      case let byte?:
        content.append(byte)
        position += 1
      }
    }
  }

  private mutating func scanEscape(into content: inout [UInt8]) throws(JSONError) {
    guard let byte = current else { throw error(.unexpectedEnd) }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(0x08)
    case UInt8(ascii: "f"): content.append(0x0c)
    case UInt8(ascii: "n"): content.append(0x0a)
    case UInt8(ascii: "r"): content.append(0x0d)
    case UInt8(ascii: "t"): content.append(0x09)
    case UInt8(ascii: "u"): content.append(contentsOf: String(try scanScalar()).utf8)
    default: throw JSONError(reason: .invalidEscape, offset: position - 1)
    }
  }

  /// The scalar behind `\u`: four digits, or two surrogates of four digits each.
  private mutating func scanScalar() throws(JSONError) -> Character {
    let start = position - 2
    let first = try scanUnit()
    var value = UInt32(first)
    if (0xd800..<0xe000).contains(first) {
      guard first < 0xdc00, current == 0x5c, position + 1 < bytes.count,
        bytes[position + 1] == UInt8(ascii: "u")
      else { throw JSONError(reason: .loneSurrogate, offset: start) }
      position += 2
      let second = try scanUnit()
      guard (0xdc00..<0xe000).contains(second) else {
        throw JSONError(reason: .loneSurrogate, offset: start)
      }
      value = 0x10000 + (UInt32(first) - 0xd800) << 10 + (UInt32(second) - 0xdc00)
    }
    guard let scalar = UnicodeScalar(value) else {
      throw JSONError(reason: .loneSurrogate, offset: start)
    }
    return Character(scalar)
  }

  private mutating func scanUnit() throws(JSONError) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = current else { throw error(.unexpectedEnd) }
      guard let digit = Self.value(ofHexDigit: byte) else { throw error(.invalidEscape) }
      unit = unit << 4 | digit
      position += 1
    }
    return unit
  }

  private static func value(ofHexDigit byte: UInt8) -> UInt16? {
    switch byte {
    case 0x30...0x39: UInt16(byte - 0x30)
    case 0x41...0x46: UInt16(byte - 0x41 + 10)
    case 0x61...0x66: UInt16(byte - 0x61 + 10)
    default: nil
    }
  }

  private func text(_ content: ArraySlice<UInt8>, at offset: Int) throws(JSONError) -> String {
    guard let text = String(validating: content, as: UTF8.self) else {
      throw JSONError(reason: .invalidUTF8, offset: offset)
    }
    return text
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func error(_ reason: JSONError.Reason) -> JSONError {
    JSONError(reason: reason, offset: position)
  }
}
