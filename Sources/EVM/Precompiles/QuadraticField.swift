import EthereumPrimitives

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
    for place in stride(from: exponent.bitCount - 1, through: 0, by: -1) {
      result = result.squared
      if exponent.bit(place) { result = result * self }
    }
    return result
  }
}
