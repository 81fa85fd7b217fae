package import TextKeys

/// A small JSON value, read whole: a configuration, a header, a tokenizer's settings.
package indirect enum JSONNode: Hashable, Sendable {
  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSONNode])
  case object(TextDictionary<JSONNode>)

  /// Reads the next value; a key that appears twice in an object is an error.
  package init(_ scanner: inout JSONScanner) throws {
    switch scanner.peek() {
    case UInt8(ascii: "{"):
      var members: TextDictionary<JSONNode> = [:]
      try scanner.object { scanner, key in
        let value = try JSONNode(&scanner)
        if members.updateValue(value, forKey: key) != nil {
          throw scanner.failure("each key once (\"\(key)\" is there twice)")
        }
      }
      self = .object(members)
    case UInt8(ascii: "["):
      var elements: [JSONNode] = []
      try scanner.array { elements.append(try JSONNode(&$0)) }
      self = .array(elements)
    case UInt8(ascii: "\""): self = .string(try scanner.string())
    case UInt8(ascii: "t"), UInt8(ascii: "f"): self = .bool(try scanner.bool())
    case UInt8(ascii: "n"):
      try scanner.null()
      self = .null
    default: self = .number(try scanner.number())
    }
  }

  /// Reads a whole text.
  package init(parsing bytes: UnsafeRawBufferPointer) throws {
    var scanner = JSONScanner(bytes)
    self = try JSONNode(&scanner)
    try scanner.end()
  }

  package subscript(key: String) -> JSONNode? {
    if case .object(let members) = self { members[key] } else { nil }
  }

  package var stringValue: String? {
    if case .string(let text) = self { text } else { nil }
  }

  package var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The value, when it is a whole number.
  package var integerValue: Int? {
    if case .number(let text) = self { Int(text) } else { nil }
  }

  package var doubleValue: Double? {
    if case .number(let text) = self { Double(text) } else { nil }
  }

  package var arrayValue: [JSONNode]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  package var objectValue: TextDictionary<JSONNode>? {
    if case .object(let members) = self { members } else { nil }
  }

  /// What the value is, for an error message; long ones are cut.
  package var summary: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let text): Self.cut(text)
    case .string(let text): "\"\(Self.cut(text))\""
    case .array(let elements): "an array of \(elements.count)"
    case .object(let members): "an object of \(members.count)"
    }
  }

  /// The beginning of a text: a file may hold a number of a million digits.
  private static func cut(_ text: String) -> String {
    let limit = 100
    guard text.unicodeScalars.count > limit else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.prefix(limit))) + "…"
  }
}
