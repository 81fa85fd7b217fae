/// Hexadecimal text of byte strings, with the `0x` prefix that Ethereum's JSON demands.
public enum Hex {
  /// Prints bytes as `0x` and lowercase digits, two a byte.
  public static func encode(_ bytes: some Sequence<UInt8>) -> String {
    let digits = digits(bytes)
    var text = "0x"
    text.reserveCapacity(digits.utf8.count + 2)
    text += digits
    return text
  }

  /// Prints bytes as lowercase digits without a prefix, the form that keystores hold.
  public static func digits(_ bytes: some Sequence<UInt8>) -> String {
    let text = bytes.withContiguousStorageIfAvailable { digits(in: UnsafeRawBufferPointer($0)) }
    return text ?? Array(bytes).withUnsafeBytes { digits(in: $0) }
  }

  private static func digits(in bytes: UnsafeRawBufferPointer) -> String {
    String(unsafeUninitializedCapacity: bytes.count * 2) { text in
      var place = 0
      for byte in bytes {
        text[place] = digit(byte >> 4)
        text[place + 1] = digit(byte & 15)
        place += 2
      }
      return place
    }
  }

  /// Reads `0x` and an even number of digits of either case.
  ///
  /// - Parameters:
  ///   - text: the prefix and the digits.
  ///   - prefix: how the prefix may be spelled.
  /// - Throws: `HexError` when the prefix is missing, the count is odd or a character is no digit.
  public static func decode(
    _ text: some StringProtocol, prefix: HexPrefix = .lowercase
  ) throws(HexError) -> [UInt8] {
    let characters = Array(text.utf8)
    guard prefix.begins(characters) else { throw .missingPrefix }
    return try decode(characters[2...])
  }

  /// Reads an even number of digits of either case, without a prefix.
  ///
  /// - Throws: `HexError` when the count is odd or a character is no digit.
  public static func decodeDigits(_ text: some StringProtocol) throws(HexError) -> [UInt8] {
    try decode(Array(text.utf8)[...])
  }

  /// The value of one ASCII digit, or nil when the byte is none.
  static func value(of character: UInt8) -> UInt8? {
    switch character {
    case 0x30...0x39: character - 0x30
    case 0x41...0x46: character - 0x41 + 10
    case 0x61...0x66: character - 0x61 + 10
    default: nil
    }
  }

  static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? 0x30 + value : 0x61 + value - 10
  }

  /// Reads `0x` and an even number of digits of either case into bytes that are wiped; no copy of
  /// the digits is made.
  ///
  /// - Throws: the same errors as ``decode(_:)``.
  static func decodeSecret(
    _ characters: some Collection<UInt8>
  ) throws(HexError) -> SecretBytes {
    guard characters.starts(with: [0x30, 0x78]) else { throw .missingPrefix }
    let digits = characters.dropFirst(2)
    let count = digits.count
    guard count.isMultiple(of: 2) else { throw .oddLength(count) }
    return try SecretBytes(count: count / 2) { (output) throws(HexError) in
      for (offset, character) in digits.enumerated() {
        guard let value = value(of: character) else { throw .invalidDigit(offset: offset + 2) }
        output[offset / 2] |= offset.isMultiple(of: 2) ? value << 4 : value
      }
    }
  }

  private static func decode(_ characters: ArraySlice<UInt8>) throws(HexError) -> [UInt8] {
    guard characters.count.isMultiple(of: 2) else { throw .oddLength(characters.count) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(characters.count / 2)
    var index = characters.startIndex
    while index < characters.endIndex {
      guard let high = value(of: characters[index]) else { throw .invalidDigit(offset: index) }
      guard let low = value(of: characters[index + 1]) else {
        throw .invalidDigit(offset: index + 1)
      }
      bytes.append(high << 4 | low)
      index += 2
    }
    return bytes
  }
}

/// How the prefix of hexadecimal text may be spelled.
public enum HexPrefix: Hashable, Sendable {
  /// `0x` only, as ethers takes it (`isHexString`).
  case lowercase
  /// `0x` or `0X`, as go-ethereum takes it in JSON-RPC (`hexutil`, `has0xPrefix`).
  case anyCase

  /// Whether a text begins with the prefix.
  func begins(_ characters: some Collection<UInt8>) -> Bool {
    characters.starts(with: [0x30, 0x78])
      || (self == .anyCase && characters.starts(with: [0x30, 0x58]))
  }
}

/// Why a text is not the hexadecimal form of a byte string.
public enum HexError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The text does not begin with `0x`.
  case missingPrefix
  /// The number of digits, given here, is odd.
  case oddLength(Int)
  /// The UTF-8 byte at this offset of the text is no hexadecimal digit.
  case invalidDigit(offset: Int)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .missingPrefix: "hexadecimal text must begin with 0x"
    case .oddLength(let count): "hexadecimal text must have an even number of digits, not \(count)"
    case .invalidDigit(let offset): "character \(offset) is no hexadecimal digit"
    }
  }
}

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
  /// One line that says what is wrong.
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
