/// The hexadecimal form of integers in Ethereum's JSON-RPC: no leading zeros, zero is `0x0`.
public enum Quantity {
  /// Prints an integer.
  public static func encode(_ value: some FixedWidthInteger & UnsignedInteger) -> String {
    "0x" + String(value, radix: 16)
  }

  /// Prints a word.
  public static func encode(_ value: Word) -> String {
    guard value.high != 0 else { return "0x" + String(value.low, radix: 16) }
    let low = String(value.low, radix: 16)
    let padding = String(repeating: "0", count: 32 - low.count)
    return "0x" + String(value.high, radix: 16) + padding + low
  }

  /// Reads an integer of up to 256 bits.
  ///
  /// - Parameters:
  ///   - text: the prefix and the digits.
  ///   - prefix: how the prefix may be spelled.
  /// - Throws: `QuantityError` when the prefix or the digits are missing, the first of several
  ///   digits is zero, a character is no digit or there are more than 64 digits.
  public static func decode(
    _ text: String, prefix: HexPrefix = .lowercase
  ) throws(QuantityError) -> Word {
    let characters = Array(text.utf8)
    guard prefix.begins(characters) else { throw .missingPrefix }
    guard characters.count > 2 else { throw .noDigits }
    guard characters.count == 3 || characters[2] != 0x30 else { throw .leadingZero }
    guard characters.count <= 66 else { throw .tooLong(digits: characters.count - 2) }
    var value = Word.zero
    for (offset, character) in characters.enumerated().dropFirst(2) {
      guard let digit = Hex.value(of: character) else { throw .invalidDigit(offset: offset) }
      value = value << 4
      value = Word(high: value.high, low: value.low | UInt128(digit))
    }
    return value
  }
}

/// Why a text is not a quantity of Ethereum's JSON-RPC.
public enum QuantityError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The text does not begin with `0x`.
  case missingPrefix
  /// Nothing follows the prefix.
  case noDigits
  /// The first of several digits is zero.
  case leadingZero
  /// The character at this offset of the text is no hexadecimal digit.
  case invalidDigit(offset: Int)
  /// More than 64 digits; the count that was given.
  case tooLong(digits: Int)

  // The words are those of go-ethereum's hexutil, which clients show to their users.
  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .missingPrefix: "hex string without 0x prefix"
    case .noDigits: "hex string \"0x\""
    case .leadingZero: "hex number with leading zero digits"
    case .invalidDigit: "invalid hex string"
    case .tooLong: "hex number > 256 bits"
    }
  }
}
