/// A JSON text that is not what its reader needs.
package struct JSONScanError: Error, Sendable, CustomStringConvertible {
  /// Byte offset of the fault.
  package let offset: Int
  /// What should have stood there.
  package let expected: String

  package var description: String { "expected \(expected) at byte \(offset)" }
}

/// Walks a JSON text once, without building a tree.
///
/// A tokenizer file holds half a million strings: reading them straight into their tables is what
/// keeps a cold start short. Smaller files are read into a ``JSONNode``.
package struct JSONScanner {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0
  private var depth = 0

  /// `bytes` must outlive the scanner.
  package init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  /// A fault at the current position.
  package func failure(_ expected: String) -> JSONScanError {
    JSONScanError(offset: position, expected: expected)
  }

  /// The first byte of the next value, white space skipped; nil at the end of the text.
  package mutating func peek() -> UInt8? {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return bytes[position]
      }
    }
    return nil
  }

  /// Requires that nothing but white space is left.
  package mutating func end() throws {
    if peek() != nil { throw failure("the end of the text") }
  }

  /// Reads an object; `member` must consume the value of each key it is handed.
  package mutating func object(_ member: (inout JSONScanner, String) throws -> Void) throws {
    try enter("{", "an object")
    if try leave("}", first: true) { return }
    repeat {
      guard peek() == UInt8(ascii: "\"") else { throw failure("a key") }
      let key = try string()
      try take(":", "':'")
      try member(&self, key)
    } while try !leave("}", first: false)
  }

  /// Reads an object whose keys are handed on as UTF-8, for objects with very many members.
  package mutating func entries(
    _ member: (inout JSONScanner, ArraySlice<UInt8>) throws -> Void
  ) throws {
    var key: [UInt8] = []
    try enter("{", "an object")
    if try leave("}", first: true) { return }
    repeat {
      key.removeAll(keepingCapacity: true)
      try string(into: &key)
      try take(":", "':'")
      try member(&self, key[...])
    } while try !leave("}", first: false)
  }

  /// Reads an array; `element` must consume each value.
  package mutating func array(_ element: (inout JSONScanner) throws -> Void) throws {
    try enter("[", "an array")
    if try leave("]", first: true) { return }
    repeat { try element(&self) } while try !leave("]", first: false)
  }

  /// Reads a string.
  package mutating func string() throws -> String {
    var text: [UInt8] = []
    try string(into: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Reads a string and appends its UTF-8 to `text`.
  package mutating func string(into text: inout [UInt8]) throws {
    guard peek() == UInt8(ascii: "\"") else { throw failure("a string") }
    position += 1
    var start = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        text.append(contentsOf: bytes[start..<position])
        position += 1
        return
      case UInt8(ascii: "\\"):
        text.append(contentsOf: bytes[start..<position])
        position += 1
        try escape(into: &text)
        start = position
      case 0..<0x20:
        throw failure("no control character in a string")
      default:
        position += 1
      }
    }
    throw failure("the end of a string")
  }

  /// The text of a number, as it stands.
  ///
  /// Python's `json` writes `NaN`, `Infinity` and `-Infinity`, which are no JSON: they are numbers
  /// here, so that whoever needs the field refuses it by its name.
  package mutating func number() throws -> String {
    _ = peek()
    for text in ["NaN", "Infinity", "-Infinity"] where bytes[position...].starts(with: text.utf8) {
      position += text.utf8.count
      return text
    }
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"),
        UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
        position += 1
      default:
        return try checked(start)
      }
    }
    return try checked(start)
  }

  /// Reads a whole number.
  package mutating func integer() throws -> Int {
    _ = peek()
    let start = position
    var value = 0
    // The usual few digits are read here; anything longer or stranger goes the general way.
    while position < bytes.count, position - start < 16,
      case let digit = bytes[position] &- UInt8(ascii: "0"), digit < 10
    {
      value = value * 10 + Int(digit)
      position += 1
    }
    let isLeadingZero = position - start > 1 && bytes[start] == UInt8(ascii: "0")
    if position > start, !isLeadingZero, position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x20, 0x0A, 0x0D:
        return value
      default: break
      }
    }
    position = start
    let text = try number()
    guard let value = Int(text) else { throw failure("a whole number instead of \(text)") }
    return value
  }

  /// Reads `true` or `false`.
  package mutating func bool() throws -> Bool {
    if peek() == UInt8(ascii: "t") {
      try word("true")
      return true
    }
    try word("false")
    return false
  }

  /// Reads `null`.
  package mutating func null() throws {
    try word("null")
  }
}

extension JSONScanner {
  private func checked(_ start: Int) throws -> String {
    guard Self.isNumber(bytes[start..<position]) else { throw failure("a value") }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  /// Whether a text spells a number (RFC 8259, 6).
  private static func isNumber(_ text: Slice<UnsafeRawBufferPointer>) -> Bool {
    var rest = text[...]
    func digits() -> Int {
      let run = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      rest = rest.dropFirst(run.count)
      return run.count
    }
    func take(_ characters: Unicode.Scalar...) -> Bool {
      guard let next = rest.first, characters.contains(Unicode.Scalar(next)) else { return false }
      rest = rest.dropFirst()
      return true
    }
    _ = take("-")
    let isZero = rest.first == UInt8(ascii: "0")
    let whole = digits()
    guard whole == 1 || whole > 1 && !isZero else { return false }
    if take("."), digits() == 0 { return false }
    if take("e", "E") {
      _ = take("+", "-")
      if digits() == 0 { return false }
    }
    return rest.isEmpty
  }

  private mutating func word(_ text: StaticString) throws {
    _ = peek()
    for offset in 0..<text.utf8CodeUnitCount {
      guard position + offset < bytes.count,
        bytes[position + offset] == text.utf8Start[offset]
      else { throw failure("\(text)") }
    }
    position += text.utf8CodeUnitCount
  }

  private mutating func take(
    _ character: Unicode.Scalar, _ expected: @autoclosure () -> String
  ) throws {
    guard peek() == UInt8(ascii: character) else { throw failure(expected()) }
    position += 1
  }

  private mutating func enter(_ bracket: Unicode.Scalar, _ expected: String) throws {
    try take(bracket, expected)
    depth += 1
    // Bounded, so that a hostile file cannot exhaust the stack.
    if depth > 128 { throw failure("at most 128 levels") }
  }

  private mutating func leave(_ bracket: Unicode.Scalar, first: Bool) throws -> Bool {
    if peek() == UInt8(ascii: bracket) {
      position += 1
      depth -= 1
      return true
    }
    if !first { try take(",", "',' or '\(bracket)'") }
    return false
  }

  private mutating func escape(into text: inout [UInt8]) throws {
    guard position < bytes.count else { throw failure("an escape") }
    let character = bytes[position]
    position += 1
    switch character {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(character)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      if let encoded = UTF8.encode(try scalar()) { text.append(contentsOf: encoded) }
    default: throw failure("an escape")
    }
  }

  private mutating func scalar() throws -> Unicode.Scalar {
    let high = try unit()
    if let scalar = Unicode.Scalar(high) { return scalar }
    guard high < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
      bytes[position + 1] == UInt8(ascii: "u")
    else { throw failure("a surrogate pair") }
    position += 2
    let low = try unit()
    guard (0xDC00...0xDFFF).contains(low),
      let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    else { throw failure("a surrogate pair") }
    return scalar
  }

  private mutating func unit() throws -> UInt32 {
    guard position + 4 <= bytes.count else { throw failure("four hexadecimal digits") }
    var value: UInt32 = 0
    for byte in bytes[position..<position + 4] {
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: throw failure("four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
    }
    position += 4
    return value
  }
}
