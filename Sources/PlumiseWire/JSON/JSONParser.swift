/// Reads a JSON text from front to back, looking at every byte a fixed number of times.
struct JSONParser {
  private let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func parseWhole() throws(JSONError) -> JSON {
    let value = try parseValue(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw error(.trailingBytes) }
    return value
  }

  private mutating func parseValue(depth: Int) throws(JSONError) -> JSON {
    skipSpace()
    switch try peek() {
    case UInt8(ascii: "{"): return .object(try parseObject(depth: depth + 1))
    case UInt8(ascii: "["): return .array(try parseArray(depth: depth + 1))
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "-"), 0x30...0x39: return .number(try parseNumber())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    case let byte: throw error(.unexpectedByte(byte))
    }
  }

  private mutating func parseObject(depth: Int) throws(JSONError) -> JSONObject {
    try checkDepth(depth)
    position += 1
    var members: [JSONObject.Member] = []
    var names = NameSet()
    if try closes(with: UInt8(ascii: "}")) { return JSONObject() }
    while true {
      skipSpace()
      let start = position
      guard try peek() == UInt8(ascii: "\"") else { throw unexpected() }
      let key = try parseString()
      guard names.insert(key) else { throw JSONError(reason: .duplicateKey(key), offset: start) }
      skipSpace()
      guard try peek() == UInt8(ascii: ":") else { throw unexpected() }
      position += 1
      members.append(JSONObject.Member(key: key, value: try parseValue(depth: depth)))
      if try closes(with: UInt8(ascii: "}")) { return JSONObject(verified: members) }
      try takeComma()
    }
  }

  private mutating func parseArray(depth: Int) throws(JSONError) -> [JSON] {
    try checkDepth(depth)
    position += 1
    var elements: [JSON] = []
    if try closes(with: UInt8(ascii: "]")) { return elements }
    while true {
      elements.append(try parseValue(depth: depth))
      if try closes(with: UInt8(ascii: "]")) { return elements }
      try takeComma()
    }
  }

  private mutating func parseString() throws(JSONError) -> String {
    var scanner = JSONStringScanner(bytes: bytes, position: position + 1)
    let text = try scanner.scan()
    position = scanner.position
    return text
  }

  private mutating func parseNumber() throws(JSONError) -> JSONNumber {
    let start = position
    if bytes[position] == UInt8(ascii: "-") { position += 1 }
    let first = position
    try takeDigits()
    if bytes[first] == UInt8(ascii: "0"), position > first + 1 {
      throw JSONError(reason: .leadingZero, offset: first)
    }
    if current == UInt8(ascii: ".") {
      position += 1
      try takeDigits()
    }
    if let byte = current, byte | 0x20 == UInt8(ascii: "e") {
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      try takeDigits()
    }
    return JSONNumber(verified: String(decoding: bytes[start..<position], as: UTF8.self))
  }

  private mutating func takeDigits() throws(JSONError) {
    let start = position
    while let byte = current, (0x30...0x39).contains(byte) { position += 1 }
    guard position > start else { throw error(current == nil ? .unexpectedEnd : .missingDigit) }
  }

  private mutating func parseWord(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    for index in 0..<word.utf8CodeUnitCount {
      guard try peek() == word.utf8Start[index] else { throw unexpected() }
      position += 1
    }
    return value
  }

  private mutating func closes(with bracket: UInt8) throws(JSONError) -> Bool {
    skipSpace()
    guard try peek() == bracket else { return false }
    position += 1
    return true
  }

  private mutating func takeComma() throws(JSONError) {
    guard try peek() == UInt8(ascii: ",") else { throw unexpected() }
    position += 1
  }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
      position += 1
    }
  }

  private func checkDepth(_ depth: Int) throws(JSONError) {
    guard depth <= JSON.depthLimit else { throw error(.tooDeep(limit: JSON.depthLimit)) }
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func peek() throws(JSONError) -> UInt8 {
    guard let current else { throw error(.unexpectedEnd) }
    return current
  }

  private func unexpected() -> JSONError { error(.unexpectedByte(bytes[position])) }

  private func error(_ reason: JSONError.Reason) -> JSONError {
    JSONError(reason: reason, offset: position)
  }
}

/// The names of an object so far.
///
/// A few are compared one by one; many go to a hash table, so that an object of any size is read
/// in linear time.
private struct NameSet {
  private var few: [String] = []
  private var many: Set<[UInt8]> = []

  /// Adds a name; false when it is already there.
  mutating func insert(_ name: String) -> Bool {
    if !many.isEmpty { return many.insert(Array(name.utf8)).inserted }
    guard !few.contains(where: { $0.utf8.elementsEqual(name.utf8) }) else { return false }
    few.append(name)
    if few.count == 16 { many = Set(few.map { Array($0.utf8) }) }
    return true
  }
}
