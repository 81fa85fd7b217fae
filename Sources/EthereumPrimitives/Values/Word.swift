/// A 256-bit unsigned integer: the word of the Ethereum virtual machine.
///
/// Balances and prices are words in wei. The arithmetic operators trap on overflow, as those of
/// Swift's integers do; the `…ReportingOverflow` methods wrap and say so.
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
