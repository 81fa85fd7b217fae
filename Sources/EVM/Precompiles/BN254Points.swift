import EthereumPrimitives

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
    for place in stride(from: factor.bitCount - 1, through: 0, by: -1) {
      result = result.doubled
      if factor.bit(place) { result = result + self }
    }
    return result
  }
}
