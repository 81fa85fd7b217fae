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
