/// Numbers as a hostile or broken file may spell them.
enum ExtremeNumbers {
  /// Whole numbers: 0, and each power of two up to 2^256 with its neighbours, both signs.
  static let integers: [String] = {
    var power = [1]
    var texts: Set<String> = ["0", "-0"]
    for _ in 0...256 {
      for digits in [power, adding(1, to: power), subtracting(1, from: power)] {
        let text = digits.reversed().map(String.init).joined()
        texts.formUnion([text, "-\(text)"])
      }
      power = zip(power, power).map(+)
      carry(&power)
    }
    return texts.sorted()
  }()

  /// Fractions, huge and tiny exponents, and what Python writes for no number.
  static let others = [
    "0.0", "0.5", "-0.5", "1.5", "0.99999999", "1e0", "1E5", "2e-1", "1e18", "1e19", "-1e19",
    "1e308", "1e309", "-1e309", "1e-323", "1e-400", "1e99999999999999999999",
    "1e-99999999999999999999", "NaN", "Infinity", "-Infinity",
  ]

  /// What spells no number in JSON, nor in Python's.
  static let malformed = [
    "nan", "-NaN", "inf", "+1", "01", "1.", ".5", "1e", "0x10", "1_000", "--1",
  ]

  /// Values of another kind.
  static let strangers = ["\"1\"", "\"NaN\"", "true", "[]", "[1, \"x\"]", "{}", "[[1]]"]

  /// Digits of a number, least first.
  private static func carry(_ digits: inout [Int]) {
    var rest = 0
    for index in digits.indices {
      let value = digits[index] + rest
      digits[index] = value % 10
      rest = value / 10
    }
    if rest > 0 { digits.append(rest) }
  }

  private static func adding(_ number: Int, to digits: [Int]) -> [Int] {
    var result = digits
    result[0] += number
    carry(&result)
    return result
  }

  private static func subtracting(_ number: Int, from digits: [Int]) -> [Int] {
    var result = digits
    result[0] -= number
    for index in result.indices where result[index] < 0 {
      result[index] += 10
      result[index + 1] -= 1
    }
    while result.count > 1, result.last == 0 { result.removeLast() }
    return result
  }
}
