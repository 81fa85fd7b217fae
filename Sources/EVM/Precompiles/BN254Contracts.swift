import EthereumPrimitives

/// The contracts for the curve BN254 (0x06 and 0x07, EIP-196; 0x08, EIP-197), priced by EIP-1108.
enum BN254Contracts {
  static func add(_ input: UnsafeRawBufferPointer) -> [UInt8]? {
    guard let left = point(input, 0), let right = point(input, 64) else { return nil }
    return encoded((JacobianPoint(left.value) + JacobianPoint(right.value)).affine)
  }

  static func multiply(_ input: UnsafeRawBufferPointer) -> [UInt8]? {
    guard let point = point(input, 0) else { return nil }
    return encoded(JacobianPoint(point.value).multiplied(by: input.word(64)).affine)
  }

  static func pairing(_ input: UnsafeRawBufferPointer) -> [UInt8]? {
    guard input.count.isMultiple(of: 192) else { return nil }
    var pairs: [(BN254Pairing.G1, BN254Pairing.G2)] = []
    for start in stride(from: 0, to: input.count, by: 192) {
      guard let first = point(input, start), let second = twistPoint(input, start + 64) else {
        return nil
      }
      // The pairing with infinity is 1.
      if let p = first.value, let q = second.value { pairs.append((p, q)) }
    }
    return Word(pairs.isEmpty || BN254Pairing.productIsOne(pairs)).bigEndianBytes
  }

  /// A point that was read; nil is the one at infinity.
  private struct Read<Field: CurveField> {
    let value: AffinePoint<Field>?
  }

  /// A number below p, or nil.
  private static func element(_ input: UnsafeRawBufferPointer, _ start: Int) -> BaseField? {
    let word = input.word(start)
    return word < BaseField.modulus ? BaseField(word) : nil
  }

  private static func point(_ input: UnsafeRawBufferPointer, _ start: Int) -> Read<BaseField>? {
    guard let x = element(input, start), let y = element(input, start + 32) else { return nil }
    return checked(AffinePoint(x: x, y: y))
  }

  private static func twistPoint(
    _ input: UnsafeRawBufferPointer, _ start: Int
  ) -> Read<QuadraticField>? {
    // The imaginary part comes first.
    guard let x1 = element(input, start), let x0 = element(input, start + 32),
      let y1 = element(input, start + 64), let y0 = element(input, start + 96)
    else { return nil }
    let point = AffinePoint(
      x: QuadraticField(c0: x0, c1: x1), y: QuadraticField(c0: y0, c1: y1))
    guard let read = checked(point) else { return nil }
    guard read.value.map(BN254Pairing.isInGroup) ?? true else { return nil }
    return read
  }

  private static func checked<Field: CurveField>(_ point: AffinePoint<Field>) -> Read<Field>? {
    if point.x.isZero, point.y.isZero { return Read(value: nil) }
    return point.isOnCurve ? Read(value: point) : nil
  }

  private static func encoded(_ point: AffinePoint<BaseField>?) -> [UInt8] {
    guard let point else { return [UInt8](repeating: 0, count: 64) }
    return point.x.word.bigEndianBytes + point.y.word.bigEndianBytes
  }
}
