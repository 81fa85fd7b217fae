import PlumiseWire
import Testing

@Suite("Numbers in JSON")
struct NumberTests {
  @Test("A double is printed as Python and as JavaScript print it", arguments: PrintedDoubles.all)
  func printing(_ bits: UInt64, _ python: String, _ javaScript: String) {
    let value = Double(bitPattern: bits)
    #expect(JSONNumber(python: value).text == python)
    #expect(JSONNumber(javaScript: value).text == javaScript)
  }

  @Test("What is printed reads back to the same double", arguments: PrintedDoubles.all)
  func roundTrip(_ bits: UInt64, _ python: String, _ javaScript: String) throws {
    let value = Double(bitPattern: bits)
    #expect(JSONNumber(python: value).double.bitPattern == bits)
    #expect(JSONNumber(javaScript: value).double == value)
    #expect(try JSON.parse(python).doubleValue == value)
  }

  @Test(
    "Only a number without fraction and exponent is an integer, if it fits 64 bits",
    arguments: [
      ("0", 0), ("-0", 0), ("7", 7), ("-9223372036854775808", .min),
      ("9223372036854775807", .max), ("9223372036854775808", nil), ("1.0", nil), ("1e3", nil),
      ("1E3", nil),
    ] as [(String, Int64?)])
  func integers(_ text: String, _ value: Int64?) throws {
    let number = try #require(JSONNumber(text))
    #expect(number.integer == value)
    #expect(number.isInteger == !text.lowercased().contains { $0 == "." || $0 == "e" })
  }

  @Test(
    "A text that is no JSON number is none",
    arguments: ["", "1 ", " 1", "+1", "1.", ".5", "01", "1e", "0x1", "NaN", "null", "\"1\""])
  func noNumber(_ text: String) {
    #expect(JSONNumber(text) == nil)
  }

  @Test("Numbers are equal when their texts are")
  func equality() throws {
    let plain = try JSON.parse("100")
    let fraction = try JSON.parse("100.0")
    #expect(plain != fraction)
    #expect(plain == 100)
    #expect(plain.doubleValue == fraction.doubleValue)
  }
}
