/// A text as a key: two are equal when their code points are.
///
/// Swift compares strings by canonical equivalence: "é" written as one code point equals "é" written
/// as two, and U+212A (the Kelvin sign) equals "K". Formats do not: JSON (RFC 8259, section 8.3),
/// safetensors, vocabularies and paths tell their names apart by code points. Whatever comes from
/// outside and is looked up by name is looked up by this.
public struct TextKey: Hashable, Comparable, Sendable {
  /// The text itself.
  public let text: String

  /// The key of a text.
  public init(_ text: some StringProtocol) {
    self.text = String(text)
  }

  /// Whether both have the same UTF-8.
  public static func == (a: TextKey, b: TextKey) -> Bool { a.text.isExactly(b.text) }

  /// The order of the UTF-8, which is the order of the code points.
  public static func < (a: TextKey, b: TextKey) -> Bool {
    a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
  }

  /// Feeds the UTF-8.
  public func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    hasher.combine(0xff as UInt8)
  }
}

extension TextKey: ExpressibleByStringLiteral, CustomStringConvertible {
  /// The key of a literal.
  public init(stringLiteral text: String) { self.init(text) }

  /// The text itself.
  public var description: String { text }
}

extension StringProtocol {
  /// Whether both have the same code points; `==` would take canonical equivalents for equal.
  public func isExactly(_ other: some StringProtocol) -> Bool {
    utf8.elementsEqual(other.utf8)
  }

  /// Whether the text begins with these code points, whatever follows them: `hasPrefix` would not
  /// find "=" before a combining mark.
  public func starts(withExactly prefix: some StringProtocol) -> Bool {
    utf8.starts(with: prefix.utf8)
  }
}
