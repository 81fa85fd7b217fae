import TextKeys

/// A JSON value that keeps what a signature depends on: number texts and the order of keys.
///
/// Two objects are equal when they hold equal members, in whatever order; two numbers are equal
/// when their texts are, so that `100` and `100.0` differ; two strings when their code points are.
public enum JSON: Hashable, Sendable {
  /// The value `null`.
  case null
  /// The values `true` and `false`.
  case bool(Bool)
  /// A number, as it is written.
  case number(JSONNumber)
  /// A text.
  case string(String)
  /// A sequence of values.
  case array([JSON])
  /// Members, each a name and a value.
  case object(JSONObject)

  /// How deep arrays and objects may nest in a text that is read.
  public static let depthLimit = 128

  /// Reads the one value of a text (RFC 8259).
  ///
  /// - Throws: `JSONError` with the byte offset when the text is not JSON, or is JSON on which
  ///   readers disagree: duplicate keys, lone surrogates, bytes that are not UTF-8, more nesting
  ///   than `depthLimit`.
  public static func parse(_ bytes: some Collection<UInt8>) throws(JSONError) -> JSON {
    var parser = JSONParser(bytes: Array(bytes))
    return try parser.parseWhole()
  }

  /// Reads the one value of a text.
  ///
  /// - Throws: `JSONError`, as for bytes.
  public static func parse(_ text: String) throws(JSONError) -> JSON {
    try parse(Array(text.utf8))
  }

  /// The text in UTF-8: no white space, keys in their order, nothing escaped that need not be.
  public func serialized() -> [UInt8] {
    var printer = JSONPrinter(escapesNonASCII: false, sortsKeys: false)
    printer.append(self)
    return printer.output
  }

  /// The serialised form as a string.
  public var text: String { String(decoding: serialized(), as: UTF8.self) }
}

extension JSON {
  /// Whether both are the same value, texts by their code points.
  public static func == (a: JSON, b: JSON) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.number(let a), .number(let b)): a == b
    case (.string(let a), .string(let b)): a.isExactly(b)
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)): a == b
    default: false
    }
  }

  /// Hashes the value, texts by their code points.
  public func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .bool(let value): hasher.combine(value)
    case .number(let value): hasher.combine(value)
    case .string(let value): hasher.combine(TextKey(value))
    case .array(let value): hasher.combine(value)
    case .object(let value): hasher.combine(value)
    }
  }
}

extension JSON: CustomStringConvertible {
  /// The serialised form.
  public var description: String { text }
}
