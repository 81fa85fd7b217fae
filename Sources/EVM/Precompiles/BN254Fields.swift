import EthereumPrimitives

/// An element of the field over which BN254 is defined, in Montgomery form: a · 2²⁵⁶ modulo p.
///
/// Source: Koç, Acar, Kaliski, "Analyzing and comparing Montgomery multiplication algorithms"
/// (1996), the method with coarsely integrated operand scanning.
struct BaseField: Equatable {
  let a0: UInt64
  let a1: UInt64
  let a2: UInt64
  let a3: UInt64

  /// p, the number of elements (EIP-196).
  static let modulus: Word =
    21_888_242_871_839_275_222_246_405_745_257_275_088_696_311_157_297_823_662_689_037_894_645_226_208_583

  private static let p0: UInt64 = 0x3c20_8c16_d87c_fd47
  private static let p1: UInt64 = 0x9781_6a91_6871_ca8d
  private static let p2: UInt64 = 0xb850_45b6_8181_585d
  private static let p3: UInt64 = 0x3064_4e72_e131_a029
  /// −1 / p modulo 2⁶⁴.
  private static let inverse: UInt64 = 0x87d2_0782_e486_6389
  /// 2⁵¹² modulo p, which brings a number into Montgomery form.
  private static let square = BaseField(
    0xf32c_fc5b_538a_fa89, 0xb5e7_1911_d445_01fb, 0x47ab_1eff_0a41_7ff6, 0x06d8_9f71_cab8_351f)

  static let zero = BaseField(0, 0, 0, 0)
  static let one = BaseField(Word(limb: 1))

  @inline(__always)
  init(_ a0: UInt64, _ a1: UInt64, _ a2: UInt64, _ a3: UInt64) {
    self.a0 = a0
    self.a1 = a1
    self.a2 = a2
    self.a3 = a3
  }

  /// A number below p.
  init(_ word: Word) {
    self = BaseField(word.limb0, word.limb1, word.limb2, word.limb3) * Self.square
  }

  /// The number that it stands for.
  var word: Word {
    let plain = self * BaseField(1, 0, 0, 0)
    return Word(plain.a3, plain.a2, plain.a1, plain.a0)
  }

  var isZero: Bool { a0 | a1 | a2 | a3 == 0 }

  @inline(__always)
  static func + (left: BaseField, right: BaseField) -> BaseField {
    let (s0, c0) = left.a0.addingReportingOverflow(right.a0)
    let (s1, c1) = Word.adding(left.a1, right.a1, c0)
    let (s2, c2) = Word.adding(left.a2, right.a2, c1)
    // Both are below 2²⁵⁴: nothing leaves the highest limb.
    return reduced(s0, s1, s2, left.a3 &+ right.a3 &+ (c2 ? 1 : 0))
  }

  @inline(__always)
  static func - (left: BaseField, right: BaseField) -> BaseField {
    let (s0, b0) = left.a0.subtractingReportingOverflow(right.a0)
    let (s1, b1) = Word.subtracting(left.a1, right.a1, b0)
    let (s2, b2) = Word.subtracting(left.a2, right.a2, b1)
    let (s3, b3) = Word.subtracting(left.a3, right.a3, b2)
    let mask: UInt64 = b3 ? .max : 0
    let (d0, c0) = s0.addingReportingOverflow(p0 & mask)
    let (d1, c1) = Word.adding(s1, p1 & mask, c0)
    let (d2, c2) = Word.adding(s2, p2 & mask, c1)
    return BaseField(d0, d1, d2, s3 &+ (p3 & mask) &+ (c2 ? 1 : 0))
  }

  @inline(__always)
  static prefix func - (value: BaseField) -> BaseField { zero - value }

  /// p taken off once where it can be.
  @inline(__always)
  private static func reduced(
    _ s0: UInt64, _ s1: UInt64, _ s2: UInt64, _ s3: UInt64
  ) -> BaseField {
    let (d0, b0) = s0.subtractingReportingOverflow(p0)
    let (d1, b1) = Word.subtracting(s1, p1, b0)
    let (d2, b2) = Word.subtracting(s2, p2, b1)
    let (d3, b3) = Word.subtracting(s3, p3, b2)
    return b3 ? BaseField(s0, s1, s2, s3) : BaseField(d0, d1, d2, d3)
  }

  /// The low half of addend + a · b + carry, and what goes on to the next limb.
  @inline(__always)
  private static func multiplied(
    _ addend: UInt64, _ a: UInt64, _ b: UInt64, _ carry: UInt64
  ) -> (low: UInt64, high: UInt64) {
    let sum = UInt128(a) &* UInt128(b) &+ UInt128(addend) &+ UInt128(carry)
    return (UInt64(truncatingIfNeeded: sum), UInt64(truncatingIfNeeded: sum &>> 64))
  }

  /// Adds a multiple of the factor, then one of p that clears the lowest limb, which is dropped.
  @inline(__always)
  private static func round(
    _ t: (UInt64, UInt64, UInt64, UInt64), _ factor: UInt64, _ other: BaseField
  ) -> (UInt64, UInt64, UInt64, UInt64) {
    let x0 = multiplied(t.0, factor, other.a0, 0)
    let m = x0.low &* inverse
    let y0 = multiplied(x0.low, m, p0, 0)
    let x1 = multiplied(t.1, factor, other.a1, x0.high)
    let y1 = multiplied(x1.low, m, p1, y0.high)
    let x2 = multiplied(t.2, factor, other.a2, x1.high)
    let y2 = multiplied(x2.low, m, p2, y1.high)
    let x3 = multiplied(t.3, factor, other.a3, x2.high)
    let y3 = multiplied(x3.low, m, p3, y2.high)
    // p is below 2²⁵⁴, so the sum of both carries fits.
    return (y1.low, y2.low, y3.low, x3.high &+ y3.high)
  }

  static func * (left: BaseField, right: BaseField) -> BaseField {
    var t = round((0, 0, 0, 0), left.a0, right)
    t = round(t, left.a1, right)
    t = round(t, left.a2, right)
    t = round(t, left.a3, right)
    return reduced(t.0, t.1, t.2, t.3)
  }

  var squared: BaseField { self * self }
  var doubled: BaseField { self + self }

  /// 1 / self, as self to the power of p − 2 (Fermat); 0 for 0.
  var inverted: BaseField { power(Self.modulus - 2) }

  func power(_ exponent: Word) -> BaseField {
    var result = Self.one
    for bit in stride(from: exponent.bitCount - 1, through: 0, by: -1) {
      result = result.squared
      if exponent.bit(bit) { result = result * self }
    }
    return result
  }
}

/// A quadratic extension of the base field: c0 + c1 · i with i² = −1.
struct QuadraticField: Equatable {
  var c0: BaseField
  var c1: BaseField

  static let zero = QuadraticField(c0: .zero, c1: .zero)
  static let one = QuadraticField(c0: .one, c1: .zero)
  /// 9 + i, which is neither a square nor a cube.
  static let xi = QuadraticField(c0: BaseField(Word(limb: 9)), c1: .one)

  var isZero: Bool { c0.isZero && c1.isZero }

  @inline(__always)
  static func + (left: Self, right: Self) -> Self {
    Self(c0: left.c0 + right.c0, c1: left.c1 + right.c1)
  }

  @inline(__always)
  static func - (left: Self, right: Self) -> Self {
    Self(c0: left.c0 - right.c0, c1: left.c1 - right.c1)
  }

  @inline(__always)
  static prefix func - (value: Self) -> Self { Self(c0: -value.c0, c1: -value.c1) }

  static func * (left: Self, right: Self) -> Self {
    let (a, b) = (left.c0 * right.c0, left.c1 * right.c1)
    let cross = (left.c0 + left.c1) * (right.c0 + right.c1)
    return Self(c0: a - b, c1: cross - a - b)
  }

  static func * (left: Self, right: BaseField) -> Self {
    Self(c0: left.c0 * right, c1: left.c1 * right)
  }

  var squared: Self {
    let product = c0 * c1
    return Self(c0: (c0 + c1) * (c0 - c1), c1: product + product)
  }

  var doubled: Self { self + self }
  var tripled: Self { doubled + self }

  /// Its product with 9 + i.
  var timesXi: Self {
    let eight = doubled.doubled.doubled
    return Self(c0: eight.c0 + c0 - c1, c1: eight.c1 + c1 + c0)
  }

  /// c0 − c1 · i, which is also its power of p.
  var conjugate: Self { Self(c0: c0, c1: -c1) }

  var inverted: Self {
    let norm = (c0.squared + c1.squared).inverted
    return Self(c0: c0 * norm, c1: -(c1 * norm))
  }

  func power(_ exponent: Word) -> Self {
    var result = Self.one
    for bit in stride(from: exponent.bitCount - 1, through: 0, by: -1) {
      result = result.squared
      if exponent.bit(bit) { result = result * self }
    }
    return result
  }
}

/// A cubic extension of the quadratic field: c0 + c1 · v + c2 · v² with v³ = 9 + i.
struct SexticField: Equatable {
  var c0: QuadraticField
  var c1: QuadraticField
  var c2: QuadraticField

  static let zero = SexticField(c0: .zero, c1: .zero, c2: .zero)
  static let one = SexticField(c0: .one, c1: .zero, c2: .zero)

  static func + (left: Self, right: Self) -> Self {
    Self(c0: left.c0 + right.c0, c1: left.c1 + right.c1, c2: left.c2 + right.c2)
  }

  static func - (left: Self, right: Self) -> Self {
    Self(c0: left.c0 - right.c0, c1: left.c1 - right.c1, c2: left.c2 - right.c2)
  }

  static prefix func - (value: Self) -> Self {
    Self(c0: -value.c0, c1: -value.c1, c2: -value.c2)
  }

  static func * (left: Self, right: Self) -> Self {
    let (a, b, c) = (left.c0 * right.c0, left.c1 * right.c1, left.c2 * right.c2)
    let bc = (left.c1 + left.c2) * (right.c1 + right.c2) - b - c
    let ab = (left.c0 + left.c1) * (right.c0 + right.c1) - a - b
    let ac = (left.c0 + left.c2) * (right.c0 + right.c2) - a - c
    return Self(c0: a + bc.timesXi, c1: ab + c.timesXi, c2: ac + b)
  }

  /// Its product with a + b · v.
  func multiplied(by a: QuadraticField, _ b: QuadraticField) -> Self {
    let (x, y) = (c0 * a, c1 * b)
    let cross = (c0 + c1) * (a + b) - x - y
    return Self(c0: x + (c2 * b).timesXi, c1: cross, c2: c2 * a + y)
  }

  static func * (left: Self, right: QuadraticField) -> Self {
    Self(c0: left.c0 * right, c1: left.c1 * right, c2: left.c2 * right)
  }

  /// Its product with v.
  var timesV: Self { Self(c0: c2.timesXi, c1: c0, c2: c1) }

  var inverted: Self {
    let a = c0.squared - (c1 * c2).timesXi
    let b = c2.squared.timesXi - c0 * c1
    let c = c1.squared - c0 * c2
    let norm = (c0 * a + (c2 * b + c1 * c).timesXi).inverted
    return Self(c0: a * norm, c1: b * norm, c2: c * norm)
  }
}

/// The field of the pairing's values: c0 + c1 · w with w² = v.
struct PairingField: Equatable {
  var c0: SexticField
  var c1: SexticField

  static let one = PairingField(c0: .one, c1: .zero)

  static func * (left: Self, right: Self) -> Self {
    let (a, b) = (left.c0 * right.c0, left.c1 * right.c1)
    let cross = (left.c0 + left.c1) * (right.c0 + right.c1)
    return Self(c0: a + b.timesV, c1: cross - a - b)
  }

  var squared: Self {
    let product = c0 * c1
    let sum = (c0 + c1) * (c0 + c1.timesV) - product - product.timesV
    return Self(c0: sum, c1: product + product)
  }

  /// Its product with a + (b + c · v) · w, the form that lines have.
  func multipliedByLine(_ a: QuadraticField, _ b: QuadraticField, _ c: QuadraticField) -> Self {
    let x = c0 * a
    let y = c1.multiplied(by: b, c)
    let cross = (c0 + c1).multiplied(by: a + b, c)
    return Self(c0: x + y.timesV, c1: cross - x - y)
  }

  /// Its power of p⁶; in the group of pairings, its inverse.
  var conjugate: Self { Self(c0: c0, c1: -c1) }

  var inverted: Self {
    let norm = (c0 * c0 - (c1 * c1).timesV).inverted
    return Self(c0: c0 * norm, c1: -(c1 * norm))
  }

  /// (9 + i) to the power of n · (p − 1) / 6, for n from 0 to 5.
  static let frobeniusFactors: [QuadraticField] = {
    let root = QuadraticField.xi.power((BaseField.modulus - 1) / 6)
    return (0..<6).reduce(into: [QuadraticField.one]) { powers, _ in
      powers.append(powers[powers.count - 1] * root)
    }
  }()

  /// Its power of p.
  var frobenius: Self {
    let factors = Self.frobeniusFactors
    return Self(
      c0: SexticField(
        c0: c0.c0.conjugate, c1: c0.c1.conjugate * factors[2], c2: c0.c2.conjugate * factors[4]),
      c1: SexticField(
        c0: c1.c0.conjugate * factors[1], c1: c1.c1.conjugate * factors[3],
        c2: c1.c2.conjugate * factors[5]))
  }

  func power(_ exponent: UInt64) -> Self {
    var result = Self.one
    for bit in stride(from: 63 - exponent.leadingZeroBitCount, through: 0, by: -1) {
      result = result.squared
      if exponent >> UInt64(bit) & 1 == 1 { result = result * self }
    }
    return result
  }
}
