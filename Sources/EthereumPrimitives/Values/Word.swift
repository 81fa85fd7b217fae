/// A 256-bit unsigned integer: the word of the Ethereum virtual machine.
///
/// Balances and prices are words in wei. The arithmetic operators trap on overflow, as those of
/// Swift's integers do; the `…ReportingOverflow` methods wrap and report it.
public struct Word: Hashable, Sendable {
  // Stored in 64-bit limbs: an async function with stored 128-bit integers among more arguments
  // than fit the registers returns to a wrong address (Swift 6.3 on x86-64, unoptimised).
  @usableFromInline package let limb3: UInt64
  @usableFromInline package let limb2: UInt64
  @usableFromInline package let limb1: UInt64
  @usableFromInline package let limb0: UInt64

  /// Bits 128 to 255.
  package var high: UInt128 { UInt128(limb3) << 64 | UInt128(limb2) }
  /// Bits 0 to 127.
  package var low: UInt128 { UInt128(limb1) << 64 | UInt128(limb0) }

  package init(high: UInt128, low: UInt128) {
    limb3 = UInt64(truncatingIfNeeded: high >> 64)
    limb2 = UInt64(truncatingIfNeeded: high)
    limb1 = UInt64(truncatingIfNeeded: low >> 64)
    limb0 = UInt64(truncatingIfNeeded: low)
  }

  /// A word of a value that fits 64 bits.
  public init(_ value: UInt64) {
    self.init(high: 0, low: UInt128(value))
  }

  /// The largest word, 2²⁵⁶ − 1.
  public static let max = Word(high: .max, low: .max)

  /// The value when it fits 64 bits, else nil.
  public func exactUInt64() -> UInt64? {
    limb3 | limb2 | limb1 == 0 ? limb0 : nil
  }

  /// Whether the value is 0.
  public var isZero: Bool { limb3 | limb2 | limb1 | limb0 == 0 }

  /// The position of the highest set bit plus one: 0 for zero, 256 at most.
  public var bitCount: Int {
    high == 0 ? 128 - low.leadingZeroBitCount : 256 - high.leadingZeroBitCount
  }
}

extension Word: Comparable {
  /// Compares the values as integers.
  public static func < (left: Word, right: Word) -> Bool {
    left.high == right.high ? left.low < right.low : left.high < right.high
  }
}

extension Word: ExpressibleByIntegerLiteral {
  /// A word written in source, up to 256 bits; a negative or larger literal traps.
  public init(integerLiteral value: StaticBigInt) {
    // bitWidth counts the sign bit, so 257 is a full word.
    precondition(value.signum() >= 0 && value.bitWidth <= 257, "literal does not fit a Word")
    func limb(_ bit: Int) -> UInt128 {
      // The literal is read in machine words, which are 32 or 64 bits wide.
      let width = UInt.bitWidth
      return (0..<(128 / width)).reduce(0) { sum, index in
        sum | UInt128(value[bit / width + index]) << (index * width)
      }
    }
    self.init(high: limb(128), low: limb(0))
  }
}

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

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .tooManyBytes(let count): "a word has at most 32 bytes, not \(count)"
    case .notDecimal(let text): "\"\(text)\" is not a decimal integer"
    case .exceeds256Bits: "the value does not fit 256 bits"
    }
  }
}

extension Word {
  /// Appends the lowest bytes, the most significant of them first, without an array in between.
  /// - Parameter count: how many bytes, 0 to 32.
  package func appendBytes(to bytes: inout [UInt8], count: Int) {
    precondition((0...32).contains(count), "a word has 32 bytes, not \(count)")
    let limbs = (
      limb3.bigEndian, limb2.bigEndian, limb1.bigEndian, limb0.bigEndian
    )
    withUnsafeBytes(of: limbs) {
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[(32 - count)...]))
    }
  }

  /// How many bytes the value takes without leading zeros; none for 0.
  package var byteCount: Int { (bitCount + 7) / 8 }

  /// The half-byte at a place, counted from the lowest one.
  package func halfByte(_ place: Int) -> Int {
    let limb =
      switch place >> 4 {
      case 0: limb0
      case 1: limb1
      case 2: limb2
      default: limb3
      }
    return Int(truncatingIfNeeded: limb >> UInt64((place & 15) * 4)) & 15
  }

  /// A word of at most 32 bytes in a buffer, the most significant first.
  init(bigEndianBuffer bytes: UnsafeRawBufferPointer) {
    var limbs: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &limbs) {
      let target = UnsafeMutableRawBufferPointer(rebasing: $0[(32 - bytes.count)...])
      target.copyMemory(from: bytes)
    }
    self.init(
      high: UInt128(UInt64(bigEndian: limbs.0)) << 64 | UInt128(UInt64(bigEndian: limbs.1)),
      low: UInt128(UInt64(bigEndian: limbs.2)) << 64 | UInt128(UInt64(bigEndian: limbs.3)))
  }
}

extension Word {
  /// The word of 32 bytes in memory, the most significant first.
  @inlinable
  package static func load(_ bytes: UnsafeRawPointer) -> Word {
    Word(
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)))
  }

  /// Writes all 32 bytes to memory, the most significant first.
  @inlinable
  package func store(_ bytes: UnsafeMutableRawPointer) {
    bytes.storeBytes(of: limb3.bigEndian, toByteOffset: 0, as: UInt64.self)
    bytes.storeBytes(of: limb2.bigEndian, toByteOffset: 8, as: UInt64.self)
    bytes.storeBytes(of: limb1.bigEndian, toByteOffset: 16, as: UInt64.self)
    bytes.storeBytes(of: limb0.bigEndian, toByteOffset: 24, as: UInt64.self)
  }
}
