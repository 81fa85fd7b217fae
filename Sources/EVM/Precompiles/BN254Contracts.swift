import EthereumPrimitives

/// The contracts for the curve BN254 (0x06 and 0x07, EIP-196; 0x08, EIP-197), priced by EIP-1108.
enum BN254Contracts {
  static func add(_ input: UnsafeRawBufferPointer) throws(InputRefusal) -> [UInt8] {
    let (left, right) = (try point(input, 0), try point(input, 64))
    return encoded((JacobianPoint(left) + JacobianPoint(right)).affine)
  }

  static func multiply(_ input: UnsafeRawBufferPointer) throws(InputRefusal) -> [UInt8] {
    let point = try point(input, 0)
    return encoded(JacobianPoint(point).multiplied(by: input.word(64)).affine)
  }

  static func pairing(_ input: UnsafeRawBufferPointer) throws(InputRefusal) -> [UInt8] {
    guard input.count.isMultiple(of: 192) else { throw .pairingLength }
    var pairs: [(BN254Pairing.G1, BN254Pairing.G2)] = []
    for start in stride(from: 0, to: input.count, by: 192) {
      let (first, second) = (try point(input, start), try twistPoint(input, start + 64))
      // The pairing with infinity is 1.
      if let p = first, let q = second { pairs.append((p, q)) }
    }
    return Word(pairs.isEmpty || BN254Pairing.productIsOne(pairs)).bigEndianBytes
  }

  /// A number below p.
  private static func element(
    _ input: UnsafeRawBufferPointer, _ start: Int
  ) throws(InputRefusal) -> BaseField {
    let word = input.word(start)
    guard word <= BaseField.modulus else { throw .coordinateAboveModulus }
    guard word < BaseField.modulus else { throw .coordinateIsModulus }
    return BaseField(word)
  }

  /// A point of the curve; nil is the one at infinity.
  private static func point(
    _ input: UnsafeRawBufferPointer, _ start: Int
  ) throws(InputRefusal) -> AffinePoint<BaseField>? {
    try checked(AffinePoint(x: try element(input, start), y: try element(input, start + 32)))
  }

  /// A point of the twist, in the group of the pairing; nil is the one at infinity.
  private static func twistPoint(
    _ input: UnsafeRawBufferPointer, _ start: Int
  ) throws(InputRefusal) -> AffinePoint<QuadraticField>? {
    // The imaginary part comes first.
    let (x1, x0) = (try element(input, start), try element(input, start + 32))
    let (y1, y0) = (try element(input, start + 64), try element(input, start + 96))
    let point = AffinePoint(
      x: QuadraticField(c0: x0, c1: x1), y: QuadraticField(c0: y0, c1: y1))
    guard let point = try checked(point) else { return nil }
    guard BN254Pairing.isInGroup(point) else { throw .point }
    return point
  }

  private static func checked<Field: CurveField>(
    _ point: AffinePoint<Field>
  ) throws(InputRefusal) -> AffinePoint<Field>? {
    if point.x.isZero, point.y.isZero { return nil }
    guard point.isOnCurve else { throw .point }
    return point
  }

  private static func encoded(_ point: AffinePoint<BaseField>?) -> [UInt8] {
    guard let point else { return [UInt8](repeating: 0, count: 64) }
    return point.x.word.bigEndianBytes + point.y.word.bigEndianBytes
  }
}

/// What the coordinates of a point need.
protocol CurveField: Equatable {
  static var zero: Self { get }
  static var one: Self { get }
  var isZero: Bool { get }
  var squared: Self { get }
  var doubled: Self { get }
  var inverted: Self { get }
  static func + (left: Self, right: Self) -> Self
  static func - (left: Self, right: Self) -> Self
  static func * (left: Self, right: Self) -> Self
  /// b in y² = x³ + b.
  static var curveConstant: Self { get }
}

extension BaseField: CurveField {
  static let curveConstant = BaseField(Word(limb: 3))
}

extension QuadraticField: CurveField {
  static let curveConstant = QuadraticField.xi.inverted * BaseField(Word(limb: 3))
}

/// A point of y² = x³ + b other than the one at infinity.
struct AffinePoint<Field: CurveField>: Equatable {
  var x: Field
  var y: Field

  var isOnCurve: Bool { y.squared == x.squared * x + Field.curveConstant }
}

/// A point in Jacobian coordinates: x / z², y / z³; z is 0 at infinity.
///
/// Source: Cohen, Miyaji, Ono, "Efficient elliptic curve exponentiation using mixed coordinates"
/// (1998).
struct JacobianPoint<Field: CurveField> {
  var x: Field
  var y: Field
  var z: Field

  static var infinity: Self { Self(x: .one, y: .one, z: .zero) }

  init(x: Field, y: Field, z: Field) {
    self.x = x
    self.y = y
    self.z = z
  }

  init(_ point: AffinePoint<Field>?) {
    guard let point else {
      self = .infinity
      return
    }
    self.init(x: point.x, y: point.y, z: .one)
  }

  /// The point without z, or nil at infinity.
  var affine: AffinePoint<Field>? {
    guard !z.isZero else { return nil }
    let inverse = z.inverted
    let square = inverse.squared
    return AffinePoint(x: x * square, y: y * square * inverse)
  }

  var doubled: Self {
    if z.isZero || y.isZero { return .infinity }
    let a = y.squared
    let b = (x * a).doubled.doubled
    let c = a.squared.doubled.doubled.doubled
    let d = x.squared.doubled + x.squared
    let newX = d.squared - b.doubled
    return Self(x: newX, y: d * (b - newX) - c, z: (y * z).doubled)
  }

  static func + (left: Self, right: Self) -> Self {
    if left.z.isZero { return right }
    if right.z.isZero { return left }
    let (leftSquare, rightSquare) = (left.z.squared, right.z.squared)
    let (u1, u2) = (left.x * rightSquare, right.x * leftSquare)
    let (s1, s2) = (left.y * rightSquare * right.z, right.y * leftSquare * left.z)
    let (h, r) = (u2 - u1, s2 - s1)
    if h.isZero { return r.isZero ? left.doubled : .infinity }
    let square = h.squared
    let cube = square * h
    let v = u1 * square
    let newX = r.squared - cube - v.doubled
    return Self(x: newX, y: r * (v - newX) - s1 * cube, z: h * left.z * right.z)
  }

  func multiplied(by factor: Word) -> Self {
    var result = Self.infinity
    for bit in stride(from: factor.bitCount - 1, through: 0, by: -1) {
      result = result.doubled
      if factor.bit(bit) { result = result + self }
    }
    return result
  }
}

/// The optimal ate pairing on BN254.
///
/// Sources: Vercauteren, "Optimal pairings" (2010); for the lines in projective coordinates,
/// Costello, Lange, Naehrig, "Faster pairing computations on curves with high-degree twists" (2010);
/// for the final power, Scott, Benger, Charlemagne, Dominguez Perez, Kachisa, "On the final
/// exponentiation for calculating pairings on ordinary elliptic curves" (2009).
enum BN254Pairing {
  typealias G1 = AffinePoint<BaseField>
  typealias G2 = AffinePoint<QuadraticField>

  /// The number that the curve's other numbers are polynomials of.
  private static let parameter: UInt64 = 4_965_661_367_192_848_881
  /// 6 · parameter + 2.
  private static let loop: UInt128 = 6 * UInt128(parameter) + 2
  /// The order of the groups.
  static let order: Word =
    21_888_242_871_839_275_222_246_405_745_257_275_088_548_364_400_416_034_343_698_204_186_575_808_495_617

  /// Whether the product of the pairings is 1.
  static func productIsOne(_ pairs: [(G1, G2)]) -> Bool {
    finalExponentiation(pairs.reduce(.one) { $0 * millerLoop($1.0, $1.1) }) == .one
  }

  /// Whether a point of the twist is of the group.
  static func isInGroup(_ point: G2) -> Bool {
    JacobianPoint(point).multiplied(by: order).z.isZero
  }

  /// A point of the twist in homogeneous coordinates: x / z, y / z.
  private struct ProjectivePoint {
    var x: QuadraticField
    var y: QuadraticField
    var z: QuadraticField
  }

  private struct Line {
    let a: QuadraticField
    let b: QuadraticField
    let c: QuadraticField
  }

  private static let half = BaseField(Word(limb: 2)).inverted

  private static func millerLoop(_ p: G1, _ q: G2) -> PairingField {
    var t = ProjectivePoint(x: q.x, y: q.y, z: .one)
    var f = PairingField.one
    func multiply(_ line: Line) {
      f = f.multipliedByLine(line.a * p.y, line.b * p.x, line.c)
    }
    for bit in stride(from: 126 - loop.leadingZeroBitCount, through: 0, by: -1) {
      f = f.squared
      multiply(tangent(&t))
      if loop >> UInt128(bit) & 1 == 1 { multiply(chord(&t, q)) }
    }
    let first = frobenius(q)
    var second = frobenius(first)
    second.y = -second.y
    multiply(chord(&t, first))
    multiply(chord(&t, second))
    return f
  }

  /// The power of p, taken on the curve and brought back to the twist.
  private static func frobenius(_ q: G2) -> G2 {
    let factors = PairingField.frobeniusFactors
    return G2(x: q.x.conjugate * factors[2], y: q.y.conjugate * factors[3])
  }

  /// Doubles the point.
  /// - Returns: the tangent at it.
  private static func tangent(_ t: inout ProjectivePoint) -> Line {
    let a = t.x * t.y * half
    let (b, c) = (t.y.squared, t.z.squared)
    let e = QuadraticField.curveConstant * c.tripled
    let f = e.tripled
    let g = (b + f) * half
    let h = (t.y + t.z).squared - b - c
    let i = e - b
    let j = t.x.squared
    t.x = a * (b - f)
    t.y = g.squared - e.squared.tripled
    t.z = b * h
    return Line(a: -h, b: j.tripled, c: i)
  }

  /// Adds a point.
  /// - Returns: the line through both.
  private static func chord(_ t: inout ProjectivePoint, _ q: G2) -> Line {
    let theta = t.y - q.y * t.z
    let lambda = t.x - q.x * t.z
    let d = lambda.squared
    let e = lambda * d
    let g = t.x * d
    let h = e + t.z * theta.squared - g.doubled
    t.x = lambda * h
    t.y = theta * (g - h) - e * t.y
    t.z = t.z * e
    return Line(a: lambda, b: -theta, c: theta * q.x - lambda * q.y)
  }

  /// The power of (p¹² − 1) / order.
  private static func finalExponentiation(_ value: PairingField) -> PairingField {
    // First p⁶ − 1 and p² + 1, which are cheap; then the rest, written in powers of p.
    let first = value.conjugate * value.inverted
    let f = first.frobenius.frobenius * first
    let (f1, f2, f3) = (f.frobenius, f.frobenius.frobenius, f.frobenius.frobenius.frobenius)
    let t1 = f.power(parameter)
    let t2 = t1.power(parameter)
    let t3 = t2.power(parameter)
    let y0 = f1 * f2 * f3
    let y1 = f.conjugate
    let y2 = t2.frobenius.frobenius
    let y3 = t1.frobenius.conjugate
    let y4 = (t1 * t2.frobenius).conjugate
    let y5 = t2.conjugate
    let y6 = (t3 * t3.frobenius).conjugate
    var a = y6.squared * y4 * y5
    var b = y3 * y5 * a
    a = a * y2
    b = (b.squared * a).squared
    a = b * y1
    b = b * y0
    return a.squared * b
  }
}
