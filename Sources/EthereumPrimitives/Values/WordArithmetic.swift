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
