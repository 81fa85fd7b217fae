/// A 32-byte string: a digest, a storage key, a capability.
public struct Hash32: Hashable, Sendable {
  /// The bytes read as a big-endian integer.
  public let word: Word

  /// The 32 bytes of an integer, the most significant first.
  public init(word: Word) { self.word = word }

  /// A string of exactly 32 bytes.
  ///
  /// - Throws: `Hash32Error.wrongLength` for any other count.
  public init(bytes: some Collection<UInt8>) throws(Hash32Error) {
    guard bytes.count == 32, let word = try? Word(bigEndian: bytes) else {
      // Word refuses only more than 32 bytes, so the count is the one reason to get here.
      throw .wrongLength(bytes.count)
    }
    self.word = word
  }

  /// Reads `0x` and 64 digits of any case.
  ///
  /// - Throws: `Hash32Error` when the text has another form.
  public init(_ text: some StringProtocol) throws(Hash32Error) {
    let bytes: [UInt8]
    do { bytes = try Hex.decode(text) } catch { throw .malformed(error) }
    try self.init(bytes: bytes)
  }

  /// The 32 bytes in order.
  public var bytes: [UInt8] { word.bigEndianBytes }

  /// The string of 32 zero bytes.
  public static let zero = Hash32(word: .zero)
}

extension Hash32: Comparable {
  /// Compares the values as integers.
  public static func < (left: Hash32, right: Hash32) -> Bool { left.word < right.word }
}

extension Hash32: CustomStringConvertible {
  /// The bytes as `0x` and 64 lowercase digits.
  public var hex: String { Hex.encode(bytes) }

  /// The hexadecimal form.
  public var description: String { hex }
}

/// Why something is not a 32-byte string.
public enum Hash32Error: Error, Hashable, Sendable, CustomStringConvertible {
  /// The count of bytes is not 32; the count that was given.
  case wrongLength(Int)
  /// The text is no hexadecimal byte string.
  case malformed(HexError)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .wrongLength(let count): "a hash has exactly 32 bytes, not \(count)"
    case .malformed(let error): "malformed hash: \(error)"
    }
  }
}
