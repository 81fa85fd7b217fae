extension Word: AdditiveArithmetic {
  /// The word 0.
  public static let zero = Word(high: 0, low: 0)

  /// The sum; a sum beyond 2²⁵⁶ − 1 traps.
  public static func + (left: Word, right: Word) -> Word {
    let (sum, overflow) = left.addingReportingOverflow(right)
    precondition(!overflow, "Word addition overflows")
    return sum
  }

  /// The difference; a negative difference traps.
  public static func - (left: Word, right: Word) -> Word {
    let (difference, overflow) = left.subtractingReportingOverflow(right)
    precondition(!overflow, "Word subtraction overflows")
    return difference
  }

  /// The sum modulo 2²⁵⁶, and whether it wrapped.
  public func addingReportingOverflow(_ other: Word) -> (partialValue: Word, overflow: Bool) {
    let (low, carry) = low.addingReportingOverflow(other.low)
    let (partial, first) = high.addingReportingOverflow(other.high)
    let (high, second) = partial.addingReportingOverflow(carry ? 1 : 0)
    return (Word(high: high, low: low), first || second)
  }

  /// The difference modulo 2²⁵⁶, and whether it wrapped.
  public func subtractingReportingOverflow(_ other: Word) -> (partialValue: Word, overflow: Bool) {
    let (low, borrow) = low.subtractingReportingOverflow(other.low)
    let (partial, first) = high.subtractingReportingOverflow(other.high)
    let (high, second) = partial.subtractingReportingOverflow(borrow ? 1 : 0)
    return (Word(high: high, low: low), first || second)
  }
}

extension Word {
  /// The product; a product beyond 2²⁵⁶ − 1 traps.
  public static func * (left: Word, right: Word) -> Word {
    let (product, overflow) = left.multipliedReportingOverflow(by: right)
    precondition(!overflow, "Word multiplication overflows")
    return product
  }

  /// The quotient rounded down; division by zero traps.
  public static func / (left: Word, right: Word) -> Word {
    left.quotientAndRemainder(dividingBy: right).quotient
  }

  /// The remainder of the division; division by zero traps.
  public static func % (left: Word, right: Word) -> Word {
    left.quotientAndRemainder(dividingBy: right).remainder
  }

  /// Multiplies in place; overflow traps.
  public static func *= (left: inout Word, right: Word) { left = left * right }

  /// Divides in place, rounding down; division by zero traps.
  public static func /= (left: inout Word, right: Word) { left = left / right }

  /// The product modulo 2²⁵⁶, and whether it wrapped.
  public func multipliedReportingOverflow(by other: Word) -> (partialValue: Word, overflow: Bool) {
    let lows = low.multipliedFullWidth(by: other.low)
    let (crossA, overflowA) = high.multipliedReportingOverflow(by: other.low)
    let (crossB, overflowB) = low.multipliedReportingOverflow(by: other.high)
    let (partial, overflowC) = lows.high.addingReportingOverflow(crossA)
    let (top, overflowD) = partial.addingReportingOverflow(crossB)
    let lost = high != 0 && other.high != 0
    return (
      Word(high: top, low: lows.low), lost || overflowA || overflowB || overflowC || overflowD
    )
  }

  /// Divides, rounding down; division by zero traps.
  public func quotientAndRemainder(dividingBy divisor: Word) -> (quotient: Word, remainder: Word) {
    precondition(!divisor.isZero, "Word division by zero")
    if fits64Bits && divisor.fits64Bits {
      let (quotient, remainder) = limb0.quotientAndRemainder(dividingBy: divisor.limb0)
      return (Word(limb: quotient), Word(limb: remainder))
    }
    guard self >= divisor else { return (.zero, self) }
    return Word.dividing(by: divisor, count: 4) { dividend in
      (dividend[0], dividend[1], dividend[2], dividend[3]) = (limb0, limb1, limb2, limb3)
    }
  }

  /// The word moved towards its high end; bits beyond 256 are lost.
  public static func << (word: Word, count: Int) -> Word {
    precondition(count >= 0, "a shift count is not negative")
    if count == 0 { return word }
    if count >= 128 { return Word(high: word.low << (count - 128), low: 0) }
    return Word(high: word.high << count | word.low >> (128 - count), low: word.low << count)
  }

  /// The word moved towards its low end; the bits that leave are lost.
  public static func >> (word: Word, count: Int) -> Word {
    precondition(count >= 0, "a shift count is not negative")
    if count == 0 { return word }
    if count >= 128 { return Word(high: 0, low: word.high >> (count - 128)) }
    return Word(high: word.high >> count, low: word.low >> count | word.high << (128 - count))
  }
}

extension Word {
  /// The word with a byte in its lowest place, which must have been 0: how bytes are gathered.
  static func | (word: Word, byte: UInt8) -> Word {
    Word(high: word.high, low: word.low | UInt128(byte))
  }
}

/// Arithmetic modulo 2²⁵⁶, as the Ethereum virtual machine has it (yellow paper, appendix H.2).
extension Word {
  /// The sum modulo 2²⁵⁶.
  @inlinable
  package static func &+ (left: Word, right: Word) -> Word {
    let (sum0, carry0) = left.limb0.addingReportingOverflow(right.limb0)
    let (sum1, carry1) = adding(left.limb1, right.limb1, carry0)
    let (sum2, carry2) = adding(left.limb2, right.limb2, carry1)
    return Word(left.limb3 &+ right.limb3 &+ (carry2 ? 1 : 0), sum2, sum1, sum0)
  }

  /// The difference modulo 2²⁵⁶.
  @inlinable
  package static func &- (left: Word, right: Word) -> Word {
    let (difference0, borrow0) = left.limb0.subtractingReportingOverflow(right.limb0)
    let (difference1, borrow1) = subtracting(left.limb1, right.limb1, borrow0)
    let (difference2, borrow2) = subtracting(left.limb2, right.limb2, borrow1)
    return Word(
      left.limb3 &- right.limb3 &- (borrow2 ? 1 : 0), difference2, difference1, difference0)
  }

  /// The sum of two limbs and a carry, and whether it carries.
  @inlinable
  package static func adding(_ left: UInt64, _ right: UInt64, _ carry: Bool) -> (UInt64, Bool) {
    let (partial, first) = left.addingReportingOverflow(right)
    let (sum, second) = partial.addingReportingOverflow(carry ? 1 : 0)
    return (sum, first != second)
  }

  /// The difference of two limbs and a borrow, and whether it borrows.
  @inlinable
  package static func subtracting(
    _ left: UInt64, _ right: UInt64, _ borrow: Bool
  ) -> (UInt64, Bool) {
    let (partial, first) = left.subtractingReportingOverflow(right)
    let (difference, second) = partial.subtractingReportingOverflow(borrow ? 1 : 0)
    return (difference, first != second)
  }

  /// The product modulo 2²⁵⁶.
  @inlinable
  package static func &* (left: Word, right: Word) -> Word {
    let p00 = left.limb0.multipliedFullWidth(by: right.limb0)
    let p01 = left.limb0.multipliedFullWidth(by: right.limb1)
    let p10 = left.limb1.multipliedFullWidth(by: right.limb0)
    let p11 = left.limb1.multipliedFullWidth(by: right.limb1)
    let p02 = left.limb0.multipliedFullWidth(by: right.limb2)
    let p20 = left.limb2.multipliedFullWidth(by: right.limb0)
    // Column 1, then column 2 with both carries of it, then what reaches the top limb.
    let (a1, c1) = p00.high.addingReportingOverflow(p01.low)
    let (limb1, c2) = a1.addingReportingOverflow(p10.low)
    let carry1: UInt64 = (c1 ? 1 : 0) &+ (c2 ? 1 : 0)
    let (a2, c3) = p01.high.addingReportingOverflow(p10.high)
    let (b2, c4) = a2.addingReportingOverflow(p11.low)
    let (d2, c5) = b2.addingReportingOverflow(p02.low)
    let (e2, c6) = d2.addingReportingOverflow(p20.low)
    let (limb2, c7) = e2.addingReportingOverflow(carry1)
    let carry2: UInt64 =
      (c3 ? 1 : 0) &+ (c4 ? 1 : 0) &+ (c5 ? 1 : 0) &+ (c6 ? 1 : 0) &+ (c7 ? 1 : 0)
    let top = p11.high &+ p02.high &+ p20.high &+ carry2
    let outer = left.limb0 &* right.limb3 &+ left.limb3 &* right.limb0
    let inner = left.limb1 &* right.limb2 &+ left.limb2 &* right.limb1
    return Word(top &+ outer &+ inner, limb2, limb1, p00.low)
  }

  /// The word of the opposite sign in two's complement.
  package var negated: Word { Word(limb: 0) &- self }

  /// The value without its sign in two's complement; −2²⁵⁵ stays as it is.
  private var magnitude: Word { isNegative ? negated : self }

  /// The power modulo 2²⁵⁶; anything to the power of 0 is 1 (EXP).
  package func power(_ exponent: Word) -> Word {
    var result = Word(limb: 1)
    for place in stride(from: exponent.bitCount - 1, through: 0, by: -1) {
      result = result &* result
      if exponent.bit(place) { result = result &* self }
    }
    return result
  }

  /// Whether the bit at a place, counted from the lowest, is set.
  package func bit(_ place: Int) -> Bool {
    let limb =
      switch place >> 6 {
      case 0: limb0
      case 1: limb1
      case 2: limb2
      default: limb3
      }
    return limb >> UInt64(place & 63) & 1 == 1
  }

  /// The quotient rounded down; 0 when the divisor is 0 (DIV).
  package func quotientOrZero(_ divisor: Word) -> Word {
    divisor.isSet ? quotientAndRemainder(dividingBy: divisor).quotient : divisor
  }

  /// The remainder; 0 when the divisor is 0 (MOD).
  package func remainderOrZero(_ divisor: Word) -> Word {
    divisor.isSet ? quotientAndRemainder(dividingBy: divisor).remainder : divisor
  }

  /// The quotient in two's complement, rounded towards 0; 0 when the divisor is 0 (SDIV).
  package func signedQuotientOrZero(_ divisor: Word) -> Word {
    let quotient = magnitude.quotientOrZero(divisor.magnitude)
    return isNegative != divisor.isNegative ? quotient.negated : quotient
  }

  /// The remainder in two's complement, with the sign of the dividend; 0 when the divisor is 0
  /// (SMOD).
  package func signedRemainderOrZero(_ divisor: Word) -> Word {
    let remainder = magnitude.remainderOrZero(divisor.magnitude)
    return isNegative ? remainder.negated : remainder
  }
}

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
