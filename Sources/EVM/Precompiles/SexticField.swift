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
