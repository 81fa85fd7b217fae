/// Why a text is not JSON that every reader understands alike.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong.
  public enum Reason: Hashable, Sendable {
    /// The text ends inside a value.
    case unexpectedEnd
    /// A byte stands where none of its kind can.
    case unexpectedByte(UInt8)
    /// A number has a leading zero.
    case leadingZero
    /// A sign, a point or an exponent is not followed by a digit.
    case missingDigit
    /// A control character stands unescaped in a string.
    case controlCharacter(UInt8)
    /// A backslash is followed by something that is no escape.
    case invalidEscape
    /// An escaped surrogate has no partner.
    case loneSurrogate
    /// A string is not UTF-8.
    case invalidUTF8
    /// An object has a name twice.
    case duplicateKey(String)
    /// Arrays and objects nest deeper than the limit.
    case tooDeep(limit: Int)
    /// Something follows the value.
    case trailingBytes
    /// The text is JSON, but its reader needs another value.
    case unexpectedValue(expected: String)
  }

  /// What is wrong.
  public let reason: Reason
  /// The byte of the text at which it is wrong.
  public let offset: Int

  /// One line that says what is wrong.
  public var description: String { "invalid JSON at byte \(offset): \(reason)" }

  /// What is wrong and where, for a message that says itself that JSON is meant.
  package var detail: String { "\(reason) at byte \(offset)" }
}

extension JSONError.Reason: CustomStringConvertible {
  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .unexpectedEnd: "the text ends inside a value"
    case .unexpectedByte(let byte): "unexpected \(Self.name(byte))"
    case .leadingZero: "a number has a leading zero"
    case .missingDigit: "a digit is missing"
    case .controlCharacter(let byte): "\(Self.name(byte)) must be escaped in a string"
    case .invalidEscape: "there is no such escape"
    case .loneSurrogate: "a surrogate has no partner"
    case .invalidUTF8: "a string is not UTF-8"
    case .duplicateKey(let key): "the key \"\(key)\" stands twice in an object"
    case .tooDeep(let limit): "arrays and objects nest deeper than \(limit)"
    case .trailingBytes: "something follows the value"
    case .unexpectedValue(let expected): "expected \(expected)"
    }
  }

  private static func name(_ byte: UInt8) -> String {
    (0x20..<0x7f).contains(byte)
      ? "'\(Character(UnicodeScalar(byte)))'" : "byte 0x" + String(byte, radix: 16)
  }
}
