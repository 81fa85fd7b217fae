/// Numbers at and beyond the ends of every type, as text.
enum ExtremeNumbers {
  /// One of each kind.
  static let few =
    [
      "", "0", "1", "-1", "-0", "+1", " 1", "1.5", "-0.5", "0x10", "1e3", "1e308", "-1e308",
      "5e-324", "nan", "inf", "-inf", "-", "0-0", "\u{0661}", "1\u{301}",
    ]
    + [16, 31, 63, 64, 128, 256].map { around($0)[1] } + ["-\(around(256)[1])"]

  /// Those and more, and every power of two up to 2²⁵⁶ with its neighbours, of both signs.
  static let all =
    few
    + [
      "1 ", "01", "1_000", "1e309", "1e-308", "1e-400", "0.0000001", "NaN", "-nan",
      "infinity", "1e", "e1", "--1", "+", ".", "\u{FF11}", "65535", "65536",
      String(repeating: "9", count: 400),
    ]
    + (0...256).flatMap(around).flatMap { [$0, "-\($0)"] }

  /// 2ⁿ − 1, 2ⁿ and 2ⁿ + 1 in decimal digits.
  static func around(_ exponent: Int) -> [String] {
    var digits: [UInt8] = [1]
    for _ in 0..<exponent {
      var carry: UInt8 = 0
      for index in digits.indices {
        let doubled = digits[index] * 2 + carry
        (digits[index], carry) = (doubled % 10, doubled / 10)
      }
      if carry > 0 { digits.append(carry) }
    }
    // A power of two ends in 1, 2, 4, 6 or 8: its neighbours differ in the last digit alone.
    let head = digits.dropFirst().reversed().map(String.init).joined()
    return [digits[0] - 1, digits[0], digits[0] + 1].map { head + String($0) }
  }
}
