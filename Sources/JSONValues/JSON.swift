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

extension JSON {
  /// An integer, printed plainly.
  public static func integer(_ value: some BinaryInteger) -> JSON { .number(JSONNumber(value)) }

  /// A number with so many places at most; what is beyond them is noise in a measurement.
  ///
  /// What JSON cannot spell, a rate in no time or a share of nothing, is null.
  public static func decimal(_ value: Double, places: Int) -> JSON {
    let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
    let rounded = (value * scale).rounded() / scale
    return rounded.isFinite ? .number(JSONNumber(python: rounded)) : .null
  }

  /// The member of an object with this name; nil in anything else.
  public subscript(key: String) -> JSON? { objectValue?[key] }

  /// The element of an array at this place; nil outside it and in anything else.
  public subscript(index: Int) -> JSON? {
    guard let array = arrayValue, array.indices.contains(index) else { return nil }
    return array[index]
  }

  /// The text, when the value is one.
  public var stringValue: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  /// The truth value, when the value is one.
  public var boolValue: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  /// The elements, when the value is an array.
  public var arrayValue: [JSON]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  /// The members, when the value is an object.
  public var objectValue: JSONObject? {
    guard case .object(let value) = self else { return nil }
    return value
  }

  /// The number, when the value is one.
  public var numberValue: JSONNumber? {
    guard case .number(let value) = self else { return nil }
    return value
  }

  /// The number as a double, when the value is one.
  public var doubleValue: Double? { numberValue?.double }

  /// The number, when the value is one that is written as an integer and fits 64 bits.
  public var integerValue: Int64? { numberValue?.integer }

  /// Whether the value is `null`.
  public var isNull: Bool { self == .null }

  /// What the value is, for an error message; long texts and numbers are cut.
  package var summary: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let number): Self.cut(number.text)
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

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// The value `null`.
  public init(nilLiteral: ()) { self = .null }

  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// An integer.
  public init(integerLiteral value: Int64) { self = .integer(value) }

  /// A text.
  public init(stringLiteral value: String) { self = .string(value) }

  /// An array of its elements.
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }

  /// An object with its members in the order of the source; a repeated key traps.
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(JSONObject(uniqueMembers: elements))
  }
}
