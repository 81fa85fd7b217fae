/// Division of numbers of several limbs, which lie with the least significant first.
///
/// Source: Knuth, The Art of Computer Programming, volume 2, section 4.3.1, algorithm D.
enum LimbDivision {
  /// How many limbs a number takes without its leading zeros.
  static func length(_ limbs: UnsafeMutablePointer<UInt64>, _ count: Int) -> Int {
    var length = count
    while length > 0, limbs[length - 1] == 0 { length -= 1 }
    return length
  }

  /// Divides in place: the dividend becomes the remainder.
  /// - Parameters:
  ///   - dividend: `count` limbs, and room for one more behind them.
  ///   - divisor: four limbs, not all of them 0; they are shifted.
  ///   - quotient: room for `count` limbs, all 0.
  static func divide(
    _ dividend: UnsafeMutablePointer<UInt64>, count: Int,
    by divisor: UnsafeMutablePointer<UInt64>, quotient: UnsafeMutablePointer<UInt64>
  ) {
    let size = length(divisor, 4)
    let total = length(dividend, count)
    if total < size { return }
    if size == 1 { return divideShort(dividend, total, divisor[0], quotient) }
    let shift = UInt64(divisor[size - 1].leadingZeroBitCount)
    shiftLeft(divisor, size, shift)
    dividend[total] = 0
    shiftLeft(dividend, total + 1, shift)
    for place in stride(from: total - size, through: 0, by: -1) {
      quotient[place] = digit(dividend + place, divisor, size)
    }
    shiftRight(dividend, size, shift)
  }

  private static func divideShort(
    _ dividend: UnsafeMutablePointer<UInt64>, _ count: Int, _ divisor: UInt64,
    _ quotient: UnsafeMutablePointer<UInt64>
  ) {
    var rest: UInt64 = 0
    for place in stride(from: count - 1, through: 0, by: -1) {
      (quotient[place], rest) = divisor.dividingFullWidth((rest, dividend[place]))
      dividend[place] = 0
    }
    dividend[0] = rest
  }

  /// One digit of the quotient; its multiple of the divisor is taken from the dividend.
  private static func digit(
    _ dividend: UnsafeMutablePointer<UInt64>, _ divisor: UnsafeMutablePointer<UInt64>, _ size: Int
  ) -> UInt64 {
    let (top, next) = (dividend[size], dividend[size - 1])
    let first = divisor[size - 1]
    // The estimate from the two highest limbs is too large by 2 at most.
    var estimate: UInt64 = .max
    if top < first {
      var rest: UInt64
      (estimate, rest) = first.dividingFullWidth((top, next))
      while true {
        let product = estimate.multipliedFullWidth(by: divisor[size - 2])
        if product.high < rest || (product.high == rest && product.low <= dividend[size - 2]) {
          break
        }
        estimate -= 1
        let (sum, overflow) = rest.addingReportingOverflow(first)
        if overflow { break }
        rest = sum
      }
    }
    if subtract(divisor, size, times: estimate, from: dividend) {
      repeat { estimate -= 1 } while !addBack(divisor, size, to: dividend)
    }
    return estimate
  }

  /// - Returns: whether the dividend became negative.
  private static func subtract(
    _ divisor: UnsafeMutablePointer<UInt64>, _ size: Int, times factor: UInt64,
    from dividend: UnsafeMutablePointer<UInt64>
  ) -> Bool {
    var carry: UInt64 = 0
    for place in 0..<size {
      let product = factor.multipliedFullWidth(by: divisor[place])
      let (low, first) = product.low.addingReportingOverflow(carry)
      let (rest, second) = dividend[place].subtractingReportingOverflow(low)
      dividend[place] = rest
      carry = product.high &+ (first ? 1 : 0) &+ (second ? 1 : 0)
    }
    let (rest, negative) = dividend[size].subtractingReportingOverflow(carry)
    dividend[size] = rest
    return negative
  }

  /// - Returns: whether the dividend is no longer negative.
  private static func addBack(
    _ divisor: UnsafeMutablePointer<UInt64>, _ size: Int,
    to dividend: UnsafeMutablePointer<UInt64>
  ) -> Bool {
    var carry = false
    for place in 0..<size {
      (dividend[place], carry) = Word.adding(dividend[place], divisor[place], carry)
    }
    let (sum, overflow) = dividend[size].addingReportingOverflow(carry ? 1 : 0)
    dividend[size] = sum
    return overflow
  }

  private static func shiftLeft(
    _ limbs: UnsafeMutablePointer<UInt64>, _ count: Int, _ shift: UInt64
  ) {
    if shift == 0 { return }
    for place in stride(from: count - 1, to: 0, by: -1) {
      limbs[place] = limbs[place] << shift | limbs[place - 1] >> (64 - shift)
    }
    limbs[0] <<= shift
  }

  private static func shiftRight(
    _ limbs: UnsafeMutablePointer<UInt64>, _ count: Int, _ shift: UInt64
  ) {
    if shift == 0 { return }
    for place in 0..<(count - 1) {
      limbs[place] = limbs[place] >> shift | limbs[place + 1] << (64 - shift)
    }
    limbs[count - 1] >>= shift
  }
}

extension Word {
  /// Divides a number of up to eight limbs, the least significant first.
  /// - Parameter fill: writes the dividend's limbs; it gets nine zeros.
  static func dividing(
    by divisor: Word, count: Int, _ fill: (UnsafeMutablePointer<UInt64>) -> Void
  ) -> (quotient: Word, remainder: Word) {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 21) { limbs in
      limbs.initialize(repeating: 0)
      guard let dividend = limbs.baseAddress else { preconditionFailure("21 limbs") }
      let (quotient, right) = (dividend + 9, dividend + 17)
      fill(dividend)
      (right[0], right[1], right[2], right[3]) = (
        divisor.limb0, divisor.limb1, divisor.limb2, divisor.limb3
      )
      LimbDivision.divide(dividend, count: count, by: right, quotient: quotient)
      return (
        Word(quotient[3], quotient[2], quotient[1], quotient[0]),
        Word(dividend[3], dividend[2], dividend[1], dividend[0])
      )
    }
  }

  /// (self + other) modulo a word, without a bound on the sum; 0 when the modulus is 0 (ADDMOD).
  package func adding(_ other: Word, modulo modulus: Word) -> Word {
    if !modulus.isSet { return modulus }
    let (sum, carry) = addingReportingOverflow(other)
    if !carry { return sum.remainderOrZero(modulus) }
    return Word.dividing(by: modulus, count: 5) { dividend in
      (dividend[0], dividend[1], dividend[2], dividend[3]) = (
        sum.limb0, sum.limb1, sum.limb2, sum.limb3
      )
      dividend[4] = 1
    }.remainder
  }

  /// (self · other) modulo a word, without a bound on the product; 0 when the modulus is 0 (MULMOD).
  package func multiplied(by other: Word, modulo modulus: Word) -> Word {
    if !modulus.isSet { return modulus }
    return Word.dividing(by: modulus, count: 8) { dividend in
      withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 8) { factors in
        (factors[0], factors[1], factors[2], factors[3]) = (limb0, limb1, limb2, limb3)
        (factors[4], factors[5], factors[6], factors[7]) = (
          other.limb0, other.limb1, other.limb2, other.limb3
        )
        for row in 0..<4 where factors[row] != 0 {
          var carry: UInt64 = 0
          for column in 0..<4 {
            let product = factors[row].multipliedFullWidth(by: factors[4 + column])
            let (low, first) = product.low.addingReportingOverflow(dividend[row + column])
            let (sum, second) = low.addingReportingOverflow(carry)
            dividend[row + column] = sum
            carry = product.high &+ (first ? 1 : 0) &+ (second ? 1 : 0)
          }
          dividend[row + 4] = carry
        }
      }
    }.remainder
  }
}
