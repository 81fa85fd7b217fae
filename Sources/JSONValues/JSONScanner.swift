/// Reads a JSON text (RFC 8259) from front to back, without building a tree.
///
/// ``JSON`` reads whole values with it. A tokenizer's file holds half a million strings: its reader
/// takes them straight into its tables.
package struct JSONScanner {
  /// Which numbers a text may hold.
  package enum Dialect: Sendable {
    /// Those of RFC 8259.
    case strict
    /// `NaN`, `Infinity` and `-Infinity` as well, which Python's `json` writes: whoever needs the
    /// field then refuses it by its name.
    case python
  }

  /// The byte that is read next.
  package private(set) var position = 0
  private let bytes: UnsafeRawBufferPointer
  private let dialect: Dialect
  private var depth = 0

  /// Starts at a text's first byte; `bytes` must outlive the scanner.
  package init(_ bytes: UnsafeRawBufferPointer, dialect: Dialect = .strict) {
    self.bytes = bytes
    self.dialect = dialect
  }

  /// Skips white space.
  ///
  /// - Returns: The first byte of what follows; nil at the end of the text.
  package mutating func peek() -> UInt8? {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      case let byte: return byte
      }
    }
    return nil
  }

  /// Skips white space, and requires that something follows.
  package mutating func next() throws(JSONError) -> UInt8 {
    guard let byte = peek() else { throw failure(.unexpectedEnd) }
    return byte
  }

  /// Requires that nothing but white space is left.
  package mutating func end() throws(JSONError) {
    if peek() != nil { throw failure(.trailingBytes) }
  }

  /// The error of a value that is JSON but not what its reader needs, at the current byte.
  package func failure(expecting expected: String) -> JSONError {
    failure(.unexpectedValue(expected: expected))
  }

  private func failure(_ reason: JSONError.Reason) -> JSONError {
    JSONError(reason: reason, offset: position)
  }

  /// The error of what stands at the current byte.
  private func unexpected() -> JSONError {
    failure(position < bytes.count ? .unexpectedByte(bytes[position]) : .unexpectedEnd)
  }

  private mutating func take(_ byte: UInt8) throws(JSONError) {
    guard try next() == byte else { throw unexpected() }
    position += 1
  }
}

// MARK: - Objects and arrays

extension JSONScanner {
  /// Reads an object; `member` must consume the value of each key it is handed.
  ///
  /// Whether a key is there twice is for `member` to say.
  package mutating func object(_ member: (inout JSONScanner, String) throws -> Void) throws {
    guard try beginObject() else { return }
    repeat {
      let key = try string()
      try colon()
      try member(&self, key)
    } while try !endObject()
  }

  /// Reads an object whose keys are handed on as bytes, for objects with very many members.
  ///
  /// Whether the bytes are UTF-8 is not looked at.
  package mutating func entries(
    _ member: (inout JSONScanner, ArraySlice<UInt8>) throws -> Void
  ) throws {
    guard try beginObject() else { return }
    var key: [UInt8] = []
    repeat {
      key.removeAll(keepingCapacity: true)
      try string(into: &key)
      try colon()
      try member(&self, key[...])
    } while try !endObject()
  }

  /// Reads an array; `element` must consume each value.
  package mutating func array(_ element: (inout JSONScanner) throws -> Void) throws {
    guard try beginArray() else { return }
    repeat { try element(&self) } while try !endArray()
  }

  /// Reads the bracket that opens an object.
  ///
  /// - Returns: Whether a member follows; else the object is read.
  mutating func beginObject() throws(JSONError) -> Bool {
    try begin(UInt8(ascii: "{"), UInt8(ascii: "}"))
  }

  /// Reads the bracket that opens an array.
  ///
  /// - Returns: Whether an element follows; else the array is read.
  mutating func beginArray() throws(JSONError) -> Bool {
    try begin(UInt8(ascii: "["), UInt8(ascii: "]"))
  }

  /// Reads what stands between a member's key and its value.
  mutating func colon() throws(JSONError) { try take(UInt8(ascii: ":")) }

  /// Reads what stands behind a member.
  ///
  /// - Returns: Whether that was the last.
  mutating func endObject() throws(JSONError) -> Bool { try end(UInt8(ascii: "}")) }

  /// Reads what stands behind an element.
  ///
  /// - Returns: Whether that was the last.
  mutating func endArray() throws(JSONError) -> Bool { try end(UInt8(ascii: "]")) }

  private mutating func begin(_ open: UInt8, _ close: UInt8) throws(JSONError) -> Bool {
    guard try next() == open else { throw unexpected() }
    // Bounded, so that a hostile text cannot exhaust the stack.
    guard depth < JSON.depthLimit else { throw failure(.tooDeep(limit: JSON.depthLimit)) }
    position += 1
    guard try next() != close else {
      position += 1
      return false
    }
    depth += 1
    return true
  }

  private mutating func end(_ close: UInt8) throws(JSONError) -> Bool {
    guard try next() == close else {
      try take(UInt8(ascii: ","))
      return false
    }
    position += 1
    depth -= 1
    return true
  }
}

// MARK: - Words and numbers

extension JSONScanner {
  /// Reads `true` or `false`.
  package mutating func bool() throws(JSONError) -> Bool {
    let isTrue = try next() == UInt8(ascii: "t")
    try word(isTrue ? "true" : "false")
    return isTrue
  }

  /// Reads `null`.
  package mutating func null() throws(JSONError) {
    _ = try next()
    try word("null")
  }

  private mutating func word(_ word: StaticString) throws(JSONError) {
    for index in 0..<word.utf8CodeUnitCount {
      guard position < bytes.count, bytes[position] == word.utf8Start[index] else {
        throw unexpected()
      }
      position += 1
    }
  }

  /// Reads a number, and keeps its text.
  package mutating func number() throws(JSONError) -> JSONNumber {
    let first = try next()
    let isDigit = (0x30...0x39).contains(first)
    if dialect == .python, !isDigit {
      for text in ["NaN", "Infinity", "-Infinity"] where bytes[position...].starts(with: text.utf8)
      {
        position += text.utf8.count
        return JSONNumber(verified: text)
      }
    }
    let start = position
    if first == UInt8(ascii: "-") {
      position += 1
    } else if !isDigit {
      throw unexpected()
    }
    let whole = position
    try digits()
    if bytes[whole] == UInt8(ascii: "0"), position > whole + 1 {
      throw JSONError(reason: .leadingZero, offset: whole)
    }
    if current == UInt8(ascii: ".") {
      position += 1
      try digits()
    }
    if let byte = current, byte | 0x20 == UInt8(ascii: "e") {
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
    return JSONNumber(verified: String(decoding: utf8(start..<position), as: UTF8.self))
  }

  /// Reads a number that is written as an integer and fits `Int`.
  package mutating func integer() throws(JSONError) -> Int {
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
      case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x20, 0x0a, 0x0d:
        return value
      default: break
      }
    }
    position = start
    guard let value = Int(try number().text) else {
      throw JSONError(reason: .unexpectedValue(expected: "a whole number"), offset: start)
    }
    return value
  }

  private mutating func digits() throws(JSONError) {
    let start = position
    while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
    guard position > start else {
      throw failure(position == bytes.count ? .unexpectedEnd : .missingDigit)
    }
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func utf8(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
    UnsafeRawBufferPointer(rebasing: bytes[range]).assumingMemoryBound(to: UInt8.self)
  }
}

// MARK: - Strings

extension JSONScanner {
  /// Reads a string.
  package mutating func string() throws(JSONError) -> String {
    try take(UInt8(ascii: "\""))
    let start = position
    skipPlain()
    // Most strings have no escape: they are taken as they stand.
    if current == UInt8(ascii: "\"") {
      position += 1
      return try validated(utf8(start..<(position - 1)), at: start)
    }
    var text: [UInt8] = []
    try content(from: start, into: &text)
    return try text.withUnsafeBufferPointer { bytes throws(JSONError) in
      try validated(bytes, at: start)
    }
  }

  /// Reads a string and appends its bytes to `text`; whether they are UTF-8 is not looked at.
  package mutating func string(into text: inout [UInt8]) throws(JSONError) {
    try take(UInt8(ascii: "\""))
    let start = position
    skipPlain()
    try content(from: start, into: &text)
  }

  /// Reads the rest of a string, whose bytes from `start` to the current one are plain.
  private mutating func content(from start: Int, into text: inout [UInt8]) throws(JSONError) {
    var start = start
    while position < bytes.count {
      text.append(contentsOf: utf8(start..<position))
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        return
      case UInt8(ascii: "\\"):
        position += 1
        try escape(into: &text)
      case let byte:
        throw failure(.controlCharacter(byte))
      }
      start = position
      skipPlain()
    }
    throw failure(.unexpectedEnd)
  }

  /// Skips the bytes of a string that stand for themselves.
  private mutating func skipPlain() {
    var position = position
    while position < bytes.count, case let byte = bytes[position], byte >= 0x20,
      byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\")
    {
      position += 1
    }
    self.position = position
  }

  private func validated(
    _ content: UnsafeBufferPointer<UInt8>, at offset: Int
  ) throws(JSONError) -> String {
    guard let text = String(validating: content, as: UTF8.self) else {
      throw JSONError(reason: .invalidUTF8, offset: offset)
    }
    return text
  }

  private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
    guard let character = current else { throw failure(.unexpectedEnd) }
    position += 1
    switch character {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(character)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      if let encoded = UTF8.encode(try scalar()) { text.append(contentsOf: encoded) }
    default: throw JSONError(reason: .invalidEscape, offset: position - 1)
    }
  }

  /// Reads the scalar behind `\u`: four digits, or two surrogates of four digits each.
  private mutating func scalar() throws(JSONError) -> Unicode.Scalar {
    let start = position - 2
    let high = try unit()
    if let scalar = Unicode.Scalar(high) { return scalar }
    guard high < 0xdc00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
      bytes[position + 1] == UInt8(ascii: "u")
    else { throw JSONError(reason: .loneSurrogate, offset: start) }
    position += 2
    let low = try unit()
    guard (0xdc00...0xdfff).contains(low),
      let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + (low - 0xdc00))
    else { throw JSONError(reason: .loneSurrogate, offset: start) }
    return scalar
  }

  private mutating func unit() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current else { throw failure(.unexpectedEnd) }
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: throw failure(.invalidEscape)
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
