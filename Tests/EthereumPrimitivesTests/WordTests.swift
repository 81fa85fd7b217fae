import AsyncPrimitives
import EthereumPrimitives
import Foundation
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

@Suite("The machine's arithmetic")
struct WordMachineTests {
  /// Rows of an operation, its operands with the stack's top first, and the result.
  private static let rows: [[String]] = {
    do {
      return try JSONDecoder().decode([[String]].self, from: Data(contentsOf: TestVectors.words))
    } catch { fatalError("words.json cannot be read: \(error)") }
  }()

  static let operations: [String: @Sendable ([Word]) -> Word] = [
    "ADD": { $0[0] &+ $0[1] },
    "SUB": { $0[0] &- $0[1] },
    "MUL": { $0[0] &* $0[1] },
    "DIV": { $0[0].quotientOrZero($0[1]) },
    "MOD": { $0[0].remainderOrZero($0[1]) },
    "SDIV": { $0[0].signedQuotientOrZero($0[1]) },
    "SMOD": { $0[0].signedRemainderOrZero($0[1]) },
    "ADDMOD": { $0[0].adding($0[1], modulo: $0[2]) },
    "MULMOD": { $0[0].multiplied(by: $0[1], modulo: $0[2]) },
    "EXP": { $0[0].power($0[1]) },
    "SIGNEXTEND": { $0[1].signExtended(fromByte: $0[0]) },
    "LT": { Word(Word.less($0[0], $0[1])) },
    "GT": { Word(Word.less($0[1], $0[0])) },
    "SLT": { Word(Word.signedLess($0[0], $0[1])) },
    "SGT": { Word(Word.signedLess($0[1], $0[0])) },
    "EQ": { Word(Word.equal($0[0], $0[1])) },
    "ISZERO": { Word(!$0[0].isSet) },
    "AND": { $0[0] & $0[1] },
    "OR": { $0[0] | $0[1] },
    "XOR": { $0[0] ^ $0[1] },
    "NOT": { ~$0[0] },
    "BYTE": { $0[1].byte(at: $0[0]) },
    "SHL": { $0[1].shiftedLeft(by: $0[0]) },
    "SHR": { $0[1].shiftedRight(by: $0[0]) },
    "SAR": { $0[1].arithmeticallyShiftedRight(by: $0[0]) },
  ]

  @Test("Every operation gives what Python's integers give", arguments: operations.keys.sorted())
  func equalsPython(_ name: String) throws {
    let rows = Self.rows.filter { $0[0] == name }
    #expect(rows.count == 48)
    let operation = try #require(Self.operations[name])
    for row in rows {
      let words = try row.dropFirst().map { try Quantity.decode($0) }
      let result = operation(Array(words.dropLast()))
      #expect(result == words.last, "\(row.joined(separator: " ")): \(Quantity.encode(result))")
    }
  }

  @Test("No operation of the golden data is left out")
  func everyOperation() {
    #expect(Set(Self.rows.map { $0[0] }) == Set(Self.operations.keys))
  }

  @Test("A word survives memory, the most significant byte first")
  func memory() {
    let word: Word = 0x0102030405060708_090a0b0c0d0e0f10_1112131415161718_191a1b1c1d1e1f20
    withUnsafeTemporaryAllocation(byteCount: 40, alignment: 8) { buffer in
      guard let start = buffer.baseAddress else { return }
      // Also where no word is aligned.
      for offset in 0..<8 {
        word.store(start + offset)
        #expect(Array(buffer[offset..<(offset + 32)]) == Array(1...32))
        #expect(Word.load(start + offset) == word)
      }
    }
  }

  @Test("A word that is longer than an address gives its low 160 bits")
  func truncation() throws {
    let word: Word = 0xffffffffffffffffffffffff_0102030405060708090a0b0c0d0e0f1011121314
    #expect(Address(truncating: word).bytes == Array(1...20))
  }
}
