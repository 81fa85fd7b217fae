import EthereumPrimitives

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
    for place in stride(from: 63 - exponent.leadingZeroBitCount, through: 0, by: -1) {
      result = result.squared
      if exponent >> UInt64(place) & 1 == 1 { result = result * self }
    }
    return result
  }
}
