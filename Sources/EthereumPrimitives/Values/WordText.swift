extension Word: CustomStringConvertible {
  /// The value in decimal digits.
  public var description: String {
    // 10¹⁹ is the largest power of ten in 64 bits: nineteen digits a division.
    let chunk: UInt64 = 10_000_000_000_000_000_000
    var rest = self
    var text = ""
    while true {
      let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: Word(chunk))
      let digits = String(remainder.low)
      guard !quotient.isZero else { return digits + text }
      text = String(repeating: "0", count: 19 - digits.count) + digits + text
      rest = quotient
    }
  }

  /// Reads decimal digits.
  ///
  /// - Throws: `WordError` when the text is empty, holds anything else or exceeds 256 bits.
  public init(decimal text: some StringProtocol) throws(WordError) {
    guard !text.isEmpty else { throw .notDecimal(String(text)) }
    var value = Word.zero
    for character in text.utf8 {
      guard (0x30...0x39).contains(character) else { throw .notDecimal(String(text)) }
      let (product, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) = product.addingReportingOverflow(Word(UInt64(character - 0x30)))
      guard !first, !second else { throw .exceeds256Bits }
      value = sum
    }
    self = value
  }
}

extension Word {
  /// Reads up to 32 bytes, the most significant first; no byte at all is 0.
  ///
  /// - Throws: `WordError.tooManyBytes` beyond 32 bytes.
  public init(bigEndian bytes: some Collection<UInt8>) throws(WordError) {
    guard bytes.count <= 32 else { throw .tooManyBytes(bytes.count) }
    let word = bytes.withContiguousStorageIfAvailable {
      Word(bigEndianBuffer: UnsafeRawBufferPointer($0))
    }
    self = word ?? Array(bytes).withUnsafeBytes { Word(bigEndianBuffer: $0) }
  }

  /// All 32 bytes, the most significant first.
  public var bigEndianBytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(32)
    appendBytes(to: &bytes, count: 32)
    return bytes
  }

  /// The bytes without leading zeros, the most significant first; none for 0.
  public var minimalBigEndianBytes: [UInt8] {
    var bytes: [UInt8] = []
    let count = byteCount
    bytes.reserveCapacity(count)
    appendBytes(to: &bytes, count: count)
    return bytes
  }
}

extension FixedWidthInteger {
  /// The bytes of the integer, the most significant first.
  var bigEndianByteArray: [UInt8] {
    withUnsafeBytes(of: bigEndian) { Array($0) }
  }
}

/// Why something is not a 256-bit word.
public enum WordError: Error, Hashable, Sendable, CustomStringConvertible {
  /// More than 32 bytes; the count that was given.
  case tooManyBytes(Int)
  /// The text is not a sequence of decimal digits.
  case notDecimal(String)
  /// The value is 2²⁵⁶ or more.
  case exceeds256Bits

  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .tooManyBytes(let count): "a word has at most 32 bytes, not \(count)"
    case .notDecimal(let text): "\"\(text)\" is not a decimal integer"
    case .exceeds256Bits: "the value does not fit 256 bits"
    }
  }
}
