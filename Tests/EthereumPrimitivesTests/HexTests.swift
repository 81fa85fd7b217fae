import EthereumPrimitives
import Testing

@Suite("Hexadecimal")
struct HexTests {
  @Test("Bytes are printed in lowercase behind 0x and read back in either case")
  func roundTrip() throws {
    let bytes = (0...255).map { UInt8($0) }
    let text = Hex.encode(bytes)
    #expect(text.hasPrefix("0x000102") && text.hasSuffix("fdfeff"))
    #expect(try Hex.decode(text) == bytes)
    #expect(try Hex.decode("0x" + text.dropFirst(2).uppercased()) == bytes)
    #expect(try Hex.decodeDigits(Hex.digits(bytes)) == bytes)
    #expect(try Hex.decode("0x") == [])
  }

  @Test(
    "A text that is no byte string is refused with its slip",
    arguments: [
      ("", HexError.missingPrefix), ("00", .missingPrefix), ("0X00", .missingPrefix),
      ("x00", .missingPrefix), (" 0x00", .missingPrefix), ("0x0", .oddLength(1)),
      ("0x000", .oddLength(3)), ("0x0g", .invalidDigit(offset: 3)),
      ("0xg0", .invalidDigit(offset: 2)), ("0x00 0", .invalidDigit(offset: 4)),
      ("0x0x00", .invalidDigit(offset: 3)), ("0x/:", .invalidDigit(offset: 2)),
      ("0x@G", .invalidDigit(offset: 2)), ("0x`g", .invalidDigit(offset: 2)),
      ("0x-1", .invalidDigit(offset: 2)), ("0x１", .oddLength(3)),
    ])
  func refused(_ text: String, _ error: HexError) {
    #expect(throws: error) { try Hex.decode(text) }
  }
}

@Suite("Quantities")
struct QuantityTests {
  @Test(
    "A number is printed without leading zeros and read back",
    arguments: [
      (0 as Word, "0x0"), (1, "0x1"), (15, "0xf"), (16, "0x10"), (0x3b9a_ca00, "0x3b9aca00"),
      (Word(UInt64.max), "0xffffffffffffffff"), (1 << 64, "0x10000000000000000"),
      (1 << 128, "0x1" + String(repeating: "0", count: 32)),
      (.max, "0x" + String(repeating: "f", count: 64)),
    ])
  func roundTrip(_ value: Word, _ text: String) throws {
    #expect(Quantity.encode(value) == text)
    #expect(try Quantity.decode(text) == value)
    #expect(try Quantity.decode("0x" + text.dropFirst(2).uppercased()) == value)
    if let small = value.exactUInt64() { #expect(Quantity.encode(small) == text) }
  }

  @Test(
    "A text that is no quantity is refused with its slip",
    arguments: [
      ("", QuantityError.missingPrefix), ("0", .missingPrefix), ("1", .missingPrefix),
      ("0X1", .missingPrefix), ("-0x1", .missingPrefix), ("0x", .noDigits),
      ("0x00", .leadingZero), ("0x01", .leadingZero), ("0x1g", .invalidDigit(offset: 3)),
      ("0x 1", .invalidDigit(offset: 2)), ("0x-1", .invalidDigit(offset: 2)),
      ("0x1" + String(repeating: "0", count: 64), .tooLong(digits: 65)),
    ])
  func refused(_ text: String, _ error: QuantityError) {
    #expect(throws: error) { try Quantity.decode(text) }
  }
}
