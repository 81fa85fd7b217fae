import TextKeys

extension JSON {
  /// How deep arrays and objects may nest in a text that is read.
  public static let depthLimit = 128

  /// Reads the one value of a text (RFC 8259).
  ///
  /// - Throws: `JSONError` with the byte offset when the text is not JSON, or is JSON on which
  ///   readers disagree: duplicate keys, lone surrogates, bytes that are not UTF-8, more nesting
  ///   than `depthLimit`.
  public static func parse(_ bytes: some Collection<UInt8>) throws(JSONError) -> JSON {
    func read(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<JSON, JSONError> {
      Result { () throws(JSONError) in
        try parse(UnsafeRawBufferPointer(bytes), dialect: .strict)
      }
    }
    let inPlace = bytes.withContiguousStorageIfAvailable(read)
    return try (inPlace ?? Array(bytes).withUnsafeBufferPointer(read)).get()
  }

  /// Reads the one value of a text.
  ///
  /// - Throws: `JSONError`, as for bytes.
  public static func parse(_ text: String) throws(JSONError) -> JSON { try parse(text.utf8) }

  /// Reads the one value of a text with the numbers of a dialect.
  ///
  /// - Throws: `JSONError`, as for any bytes.
  package static func parse(
    _ bytes: UnsafeRawBufferPointer, dialect: JSONScanner.Dialect
  ) throws(JSONError) -> JSON {
    var scanner = JSONScanner(bytes, dialect: dialect)
    let value = try JSON(&scanner)
    try scanner.end()
    return value
  }

  /// Reads the next value of a text.
  ///
  /// - Throws: `JSONError`, also for an object that has a key twice.
  package init(_ scanner: inout JSONScanner) throws(JSONError) {
    switch try scanner.next() {
    case UInt8(ascii: "{"): self = .object(try Self.object(&scanner))
    case UInt8(ascii: "["): self = .array(try Self.array(&scanner))
    case UInt8(ascii: "\""): self = .string(try scanner.string())
    case UInt8(ascii: "t"), UInt8(ascii: "f"): self = .bool(try scanner.bool())
    case UInt8(ascii: "n"):
      try scanner.null()
      self = .null
    default: self = .number(try scanner.number())
    }
  }

  private static func object(_ scanner: inout JSONScanner) throws(JSONError) -> JSONObject {
    guard try scanner.beginObject() else { return JSONObject() }
    var members: [JSONObject.Member] = []
    var names = NameSet()
    repeat {
      _ = scanner.peek()
      let start = scanner.position
      let key = try scanner.string()
      guard names.insert(key) else { throw JSONError(reason: .duplicateKey(key), offset: start) }
      try scanner.colon()
      members.append(JSONObject.Member(key: key, value: try JSON(&scanner)))
    } while try !scanner.endObject()
    return JSONObject(verified: members)
  }

  private static func array(_ scanner: inout JSONScanner) throws(JSONError) -> [JSON] {
    guard try scanner.beginArray() else { return [] }
    var elements: [JSON] = []
    repeat { elements.append(try JSON(&scanner)) } while try !scanner.endArray()
    return elements
  }
}

/// The names of an object so far.
///
/// A few are compared one by one; many go to a hash table, so that an object of any size is read
/// in linear time.
private struct NameSet {
  private var few: [String] = []
  private var many: Set<TextKey> = []

  /// Adds a name; false when it is already there.
  mutating func insert(_ name: String) -> Bool {
    if !many.isEmpty { return many.insert(TextKey(name)).inserted }
    guard !few.contains(where: { $0.utf8.elementsEqual(name.utf8) }) else { return false }
    few.append(name)
    if few.count == 16 { many = Set(few.map { TextKey($0) }) }
    return true
  }
}
