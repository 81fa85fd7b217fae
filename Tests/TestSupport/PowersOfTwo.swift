/// Powers of two with their neighbours in decimal digits, also where no type of integers holds them.
package enum PowersOfTwo {
  /// 2ⁿ − 1, 2ⁿ and 2ⁿ + 1.
  package static func around(_ exponent: Int) -> [String] {
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
