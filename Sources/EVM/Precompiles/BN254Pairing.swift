import EthereumPrimitives

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
    finalPower(pairs.reduce(.one) { $0 * millerLoop($1.0, $1.1) }) == .one
  }

  /// Whether a point of the twist is of the group.
  static func isInGroup(_ point: G2) -> Bool {
    JacobianPoint(point).multiplied(by: order).z.isZero
  }

  /// A point of the twist on its way, in homogeneous coordinates: x / z, y / z.
  private struct Traveller {
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
    var t = Traveller(x: q.x, y: q.y, z: .one)
    var f = PairingField.one
    func multiply(_ line: Line) {
      f = f.multipliedByLine(line.a * p.y, line.b * p.x, line.c)
    }
    for place in stride(from: 126 - loop.leadingZeroBitCount, through: 0, by: -1) {
      f = f.squared
      multiply(tangent(&t))
      if loop >> UInt128(place) & 1 == 1 { multiply(chord(&t, q)) }
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
  private static func tangent(_ t: inout Traveller) -> Line {
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
  private static func chord(_ t: inout Traveller, _ q: G2) -> Line {
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
  private static func finalPower(_ value: PairingField) -> PairingField {
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
