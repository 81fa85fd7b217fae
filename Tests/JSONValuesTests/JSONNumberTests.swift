import JSONValues
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

/// Doubles by their bits, as CPython's `repr` and V8's `JSON.stringify` print them.
enum PrintedDoubles {
  static let all: [(bits: UInt64, python: String, javaScript: String)] = [
    (0x0000000000000000, "0.0", "0"),
    (0x8000000000000000, "-0.0", "0"),
    (0x3ff0000000000000, "1.0", "1"),
    (0xbff0000000000000, "-1.0", "-1"),
    (0x4059000000000000, "100.0", "100"),
    (0x4050c8f5c28f5c29, "67.14", "67.14"),
    (0x405edccccccccccd, "123.45", "123.45"),
    (0x3fb999999999999a, "0.1", "0.1"),
    (0x3fe0000000000000, "0.5", "0.5"),
    (0x3fd5555555555555, "0.3333333333333333", "0.3333333333333333"),
    (0x3f1a36e2eb1c432d, "0.0001", "0.0001"),
    (0x3f1a36371ea531a8, "9.999e-05", "0.00009999"),
    (0x3ee4f8b588e368f1, "1e-05", "0.00001"),
    (0x3eef75104d551d69, "1.5e-05", "0.000015"),
    (0x3eb0c6f7a0b5ed8d, "1e-06", "0.000001"),
    (0x3e7ad7f29abcaf48, "1e-07", "1e-7"),
    (0x3e808ffde1023e12, "1.234e-07", "1.234e-7"),
    (0x419d6f34547ae148, "123456789.12", "123456789.12"),
    (0x430c6bf526340000, "1000000000000000.0", "1000000000000000"),
    (0x437b69b4ba630f35, "1.2345678901234568e+17", "123456789012345680"),
    (0x4341c37937e08000, "1e+16", "10000000000000000"),
    (0x4341c37937e07fff, "9999999999999998.0", "9999999999999998"),
    (0x4376345785d8a000, "1e+17", "100000000000000000"),
    (0x4415af1d78b58c40, "1e+20", "100000000000000000000"),
    (0x444b1ae4d6e2ef50, "1e+21", "1e+21"),
    (0x445043561a882930, "1.2e+21", "1.2e+21"),
    (0x444b1ae4d6e2ef4f, "9.999999999999999e+20", "999999999999999900000"),
    (0x4480f0cf064dd592, "1e+22", "1e+22"),
    (0x44b52d02c7e14af6, "1e+23", "1e+23"),
    (0x0000000000000001, "5e-324", "5e-324"),
    (0x0010000000000000, "2.2250738585072014e-308", "2.2250738585072014e-308"),
    (0x7fefffffffffffff, "1.7976931348623157e+308", "1.7976931348623157e+308"),
    (0xd4b249ad2594c37d, "-1e+100", "-1e+100"),
    (0x3ddb7cdfd9d7bdbb, "1e-10", "1e-10"),
    (0x4011666666666666, "4.35", "4.35"),
    (0x3f201f31f46ed246, "0.000123", "0.000123"),
    (0x4340000000000000, "9007199254740992.0", "9007199254740992"),
    (0x4340000000000001, "9007199254740994.0", "9007199254740994"),
    (0x43e0000000000000, "9.223372036854776e+18", "9223372036854776000"),
    (0x3f09b0ab2e1693c0, "4.9e-05", "0.000049"),
    (0x41da60c597800000, "1770198622.0", "1770198622"),
    (0x408b426666666666, "872.3", "872.3"),
    (0x3f689374bc6a7efa, "0.003", "0.003"),
    (0x1059360e9f767c45, "6.495553450307684e-230", "6.495553450307684e-230"),
    (0x16f23eefbde5c099, "3.8138785475408134e-198", "3.8138785475408134e-198"),
    (0x2c3047f7cb91ce37, "7.622295702543846e-96", "7.622295702543846e-96"),
    (0x35db50ccf1446bea, "2.920329773747347e-49", "2.920329773747347e-49"),
    (0x29bae327bd69fe29, "1.1448515062040478e-107", "1.1448515062040478e-107"),
    (0x21ec2c49ec1d7da0, "2.8202346488549184e-145", "2.8202346488549184e-145"),
    (0x35c8437f076ce2ef, "1.2970209264905632e-49", "1.2970209264905632e-49"),
    (0x31a94e1d77330bdb, "1.8332416056907126e-69", "1.8332416056907126e-69"),
    (0x0ff07a8df17fd374, "6.633871315840368e-232", "6.633871315840368e-232"),
    (0x0351904ea6233255, "1.1000191250400748e-292", "1.1000191250400748e-292"),
    (0x0a09da23e6a16a3b, "2.6271795784712942e-260", "2.6271795784712942e-260"),
    (0x17cb765f1cfb10f6, "4.7025250425785725e-194", "4.7025250425785725e-194"),
    (0x407d511eb851eb85, "469.07", "469.07"),
    (0x406ed23d70a3d70a, "246.57", "246.57"),
    (0x4080fe147ae147ae, "543.76", "543.76"),
    (0x4081ef851eb851ec, "573.94", "573.94"),
    (0x402a3851eb851eb8, "13.11", "13.11"),
    (0x406b175c28f5c28f, "216.73", "216.73"),
    (0x407177ae147ae148, "279.48", "279.48"),
    (0x408ca2cccccccccd, "916.35", "916.35"),
  ]
}
