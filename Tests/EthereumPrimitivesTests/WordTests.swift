import EthereumPrimitives
import TestVectors
import Testing

@Suite("Words")
struct WordTests {
  @Test("A random quotient and remainder rebuild their dividend", arguments: 0..<8 as Range<UInt64>)
  func division(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<250 {
      let (dividend, divisor) = (random.word(), random.word())
      guard !divisor.isZero else { continue }
      let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
      #expect(remainder < divisor)
      #expect(quotient * divisor + remainder == dividend, "seed \(seed): \(dividend) / \(divisor)")
    }
  }

  @Test("A product equals that of long multiplication", arguments: 0..<8 as Range<UInt64>)
  func multiplication(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<100 {
      let (left, right) = (random.word(), random.word())
      let (product, overflow) = left.multipliedReportingOverflow(by: right)
      let expected = Self.longProduct(left.bigEndianBytes, right.bigEndianBytes)
      #expect(product.bigEndianBytes == Array(expected[32...]), "seed \(seed): \(left) · \(right)")
      #expect(overflow == expected[..<32].contains { $0 != 0 })
    }
  }

  @Test(
    "Sums and differences undo each other and report their wrap", arguments: 0..<4 as Range<UInt64>)
  func addition(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<250 {
      let (left, right) = (random.word(), random.word())
      let sum = left.addingReportingOverflow(right)
      let back = sum.partialValue.subtractingReportingOverflow(right)
      #expect(back.partialValue == left)
      #expect(sum.overflow == (sum.partialValue < left))
      #expect(back.overflow == sum.overflow)
    }
  }

  @Test(
    "A shift is a multiplication or a division by a power of two",
    arguments: [0, 1, 63, 64, 127, 128, 129, 200, 255, 256])
  func shifts(_ count: Int) {
    let power = (0..<count).reduce(1 as Word) { power, _ in
      power.multipliedReportingOverflow(by: 2).partialValue
    }
    let value: Word =
      0x1234_5678_9abc_def0_1234_5678_9abc_def0_1234_5678_9abc_def0_1234_5678_9abc_def1
    #expect(value << count == value.multipliedReportingOverflow(by: power).partialValue)
    #expect(value >> count == (power.isZero ? .zero : value / power))
  }

  @Test(
    "A decimal text is read and printed alike",
    arguments: [
      "0", "1", "9999999999999999999", "10000000000000000000", "18446744073709551615",
      "18446744073709551616", "100000000000000000000000000000000000000",
      "340282366920938463463374607431768211456",
      "115792089237316195423570985008687907853269984665640564039457584007913129639935",
    ])
  func decimal(_ text: String) throws {
    #expect(try Word(decimal: text).description == text)
  }

  @Test(
    "A text that is no decimal word is refused",
    arguments: [
      ("", WordError.notDecimal("")), ("-1", .notDecimal("-1")), ("0x1", .notDecimal("0x1")),
      ("1.0", .notDecimal("1.0")), ("١", .notDecimal("١")),
      (
        "115792089237316195423570985008687907853269984665640564039457584007913129639936",
        .exceeds256Bits
      ),
      (String(repeating: "9", count: 79), .exceeds256Bits),
    ])
  func notDecimal(_ text: String, _ error: WordError) {
    #expect(throws: error) { try Word(decimal: text) }
  }

  @Test("Bytes are read with the most significant first", arguments: [0, 1, 16, 17, 31, 32])
  func bytes(_ count: Int) throws {
    let bytes = (0..<count).map { UInt8($0 + 1) }
    let word = try Word(bigEndian: bytes)
    #expect(word.minimalBigEndianBytes == bytes)
    #expect(word.bigEndianBytes == [UInt8](repeating: 0, count: 32 - count) + bytes)
  }

  @Test("More than 32 bytes are refused, zeros or not")
  func tooManyBytes() {
    #expect(throws: WordError.tooManyBytes(33)) {
      try Word(bigEndian: [UInt8](repeating: 0, count: 33))
    }
  }

  @Test("Only a word below 2⁶⁴ is an exact 64-bit integer")
  func exact() {
    #expect(Word(UInt64.max).exactUInt64() == .max)
    #expect((Word(UInt64.max) + 1).exactUInt64() == nil)
    #expect(Word.max.exactUInt64() == nil)
  }

  @Test("Literals of 256 bits are read whole")
  func literals() {
    let literal: Word =
      0xffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff
    #expect(literal == .max)
    #expect((1 << 128 as Word).description == "340282366920938463463374607431768211456")
    #expect(Word.max.bitCount == 256)
    #expect(Word.zero.bitCount == 0)
  }

  @Test("Words are ordered by value")
  func order() {
    let ordered: [Word] = [0, 1, Word(UInt64.max), 1 << 127, 1 << 128, (1 << 128) + 1, .max]
    #expect(ordered.shuffled().sorted() == ordered)
  }

  @Test("Overflow and division by zero trap")
  func traps() async {
    await #expect(processExitsWith: .failure) { _ = Word.max + 1 }
    await #expect(processExitsWith: .failure) { _ = Word.max / .zero }
  }

  /// All 64 bytes of a product, digit by digit in base 256.
  private static func longProduct(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
    var digits = [UInt32](repeating: 0, count: 64)
    for (i, a) in left.reversed().enumerated() {
      for (j, b) in right.reversed().enumerated() {
        var carry = UInt32(a) * UInt32(b)
        var place = i + j
        while carry > 0 {
          carry += digits[place]
          digits[place] = carry & 0xff
          carry >>= 8
          place += 1
        }
      }
    }
    return digits.reversed().map { UInt8($0) }
  }
}
