extension Word {
  /// A word of its four 64-bit limbs, the most significant first.
  @inlinable
  package init(_ limb3: UInt64, _ limb2: UInt64, _ limb1: UInt64, _ limb0: UInt64) {
    self.limb3 = limb3
    self.limb2 = limb2
    self.limb1 = limb1
    self.limb0 = limb0
  }

  /// A word of a value that fits 64 bits, for the inner loop of a machine.
  @inlinable
  package init(limb: UInt64) { self.init(0, 0, 0, limb) }

  /// 1 for true, 0 for false, as the machine's comparisons answer.
  @inlinable
  package init(_ flag: Bool) { self.init(0, 0, 0, flag ? 1 : 0) }

  /// Whether the value fits 64 bits.
  @inlinable
  package var fits64Bits: Bool { limb3 | limb2 | limb1 == 0 }

  /// Whether any bit is set.
  @inlinable
  package var isSet: Bool { limb3 | limb2 | limb1 | limb0 != 0 }

  /// Whether the highest bit is set: the sign in two's complement.
  @inlinable
  package var isNegative: Bool { limb3 >> 63 == 1 }

  /// Whether two words are equal, without a branch.
  @inlinable
  package static func equal(_ left: Word, _ right: Word) -> Bool {
    (left.limb3 ^ right.limb3) | (left.limb2 ^ right.limb2) | (left.limb1 ^ right.limb1)
      | (left.limb0 ^ right.limb0) == 0
  }

  /// Whether the left word is the smaller integer.
  @inlinable
  package static func less(_ left: Word, _ right: Word) -> Bool {
    var borrow = left.limb0 < right.limb0
    borrow = left.limb1 < right.limb1 || (left.limb1 == right.limb1 && borrow)
    borrow = left.limb2 < right.limb2 || (left.limb2 == right.limb2 && borrow)
    return left.limb3 < right.limb3 || (left.limb3 == right.limb3 && borrow)
  }

  /// Whether the left word is the smaller one in two's complement.
  @inlinable
  package static func signedLess(_ left: Word, _ right: Word) -> Bool {
    let sign: UInt64 = 1 << 63
    return less(
      Word(left.limb3 ^ sign, left.limb2, left.limb1, left.limb0),
      Word(right.limb3 ^ sign, right.limb2, right.limb1, right.limb0))
  }

  /// The bits that are set in both words.
  @inlinable
  package static func & (left: Word, right: Word) -> Word {
    Word(
      left.limb3 & right.limb3, left.limb2 & right.limb2, left.limb1 & right.limb1,
      left.limb0 & right.limb0)
  }

  /// The bits that are set in either word.
  @inlinable
  package static func | (left: Word, right: Word) -> Word {
    Word(
      left.limb3 | right.limb3, left.limb2 | right.limb2, left.limb1 | right.limb1,
      left.limb0 | right.limb0)
  }

  /// The bits that differ.
  @inlinable
  package static func ^ (left: Word, right: Word) -> Word {
    Word(
      left.limb3 ^ right.limb3, left.limb2 ^ right.limb2, left.limb1 ^ right.limb1,
      left.limb0 ^ right.limb0)
  }

  /// The bits that are not set.
  @inlinable
  package static prefix func ~ (word: Word) -> Word {
    Word(~word.limb3, ~word.limb2, ~word.limb1, ~word.limb0)
  }

  /// The byte at a place counted from the most significant one; 0 beyond the 31st (BYTE).
  @inlinable
  package func byte(at place: Word) -> Word {
    guard place.fits64Bits, place.limb0 < 32 else { return Word(limb: 0) }
    let limb =
      switch place.limb0 >> 3 {
      case 0: limb3
      case 1: limb2
      case 2: limb1
      default: limb0
      }
    return Word(limb: limb >> ((7 - (place.limb0 & 7)) * 8) & 0xff)
  }

  /// The word moved towards its high end; from 256 places on, nothing is left (SHL).
  @inlinable
  package func shiftedLeft(by places: Word) -> Word {
    guard places.fits64Bits, places.limb0 < 256 else { return Word(limb: 0) }
    let bits = places.limb0 & 63
    let moved =
      switch places.limb0 >> 6 {
      case 0: self
      case 1: Word(limb2, limb1, limb0, 0)
      case 2: Word(limb1, limb0, 0, 0)
      default: Word(limb0, 0, 0, 0)
      }
    if bits == 0 { return moved }
    let rest = 64 - bits
    return Word(
      moved.limb3 << bits | moved.limb2 >> rest, moved.limb2 << bits | moved.limb1 >> rest,
      moved.limb1 << bits | moved.limb0 >> rest, moved.limb0 << bits)
  }

  /// The word moved towards its low end; from 256 places on, nothing is left (SHR).
  @inlinable
  package func shiftedRight(by places: Word) -> Word {
    guard places.fits64Bits, places.limb0 < 256 else { return Word(limb: 0) }
    return shiftedRight(places.limb0, filling: 0)
  }

  /// The word moved towards its low end, its sign kept (SAR, EIP-145).
  @inlinable
  package func arithmeticallyShiftedRight(by places: Word) -> Word {
    let fill: UInt64 = isNegative ? .max : 0
    guard places.fits64Bits, places.limb0 < 256 else { return Word(fill, fill, fill, fill) }
    return shiftedRight(places.limb0, filling: fill)
  }

  /// The word moved towards its low end by fewer than 256 places.
  /// - Parameter fill: all zeros or all ones, for the places that become free.
  @inlinable
  package func shiftedRight(_ places: UInt64, filling fill: UInt64) -> Word {
    let bits = places & 63
    let moved =
      switch places >> 6 {
      case 0: self
      case 1: Word(fill, limb3, limb2, limb1)
      case 2: Word(fill, fill, limb3, limb2)
      default: Word(fill, fill, fill, limb3)
      }
    if bits == 0 { return moved }
    let rest = 64 - bits
    return Word(
      moved.limb3 >> bits | fill << rest, moved.limb2 >> bits | moved.limb3 << rest,
      moved.limb1 >> bits | moved.limb2 << rest, moved.limb0 >> bits | moved.limb1 << rest)
  }

  /// The word with the sign of its byte at a place, counted from the lowest, spread to the high end
  /// (SIGNEXTEND); a place of 31 or more changes nothing.
  package func signExtended(fromByte place: Word) -> Word {
    guard place.fits64Bits, place.limb0 < 31 else { return self }
    let up = Word(limb: 248 - place.limb0 * 8)
    return shiftedLeft(by: up).arithmeticallyShiftedRight(by: up)
  }
}
