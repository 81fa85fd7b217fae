import BloomKernels
import Testing

@Suite("Half precision")
struct HalfPrecisionTests {
  private func float(_ half: UInt16, _ element: bloom_element) -> Float {
    var result: Float = 0
    withUnsafeBytes(of: half) { bloom_to_float(element, $0.baseAddress, 1, &result) }
    return result
  }

  private func half(_ value: Float, _ element: bloom_element) -> UInt16 {
    var result: UInt16 = 0
    withUnsafeMutableBytes(of: &result) { bloom_from_float(element, [value], 1, $0.baseAddress) }
    return result
  }

  @Test(
    "Each of the 65 536 halves is the number that it encodes, and comes back",
    arguments: InstructionSet.all)
  func everyHalf(_ set: InstructionSet) {
    // All at once, so that the vectorised part is met, and singly for the rest.
    let halves = (0...UInt16.max).map { $0 }
    var floats = [Float](repeating: 0, count: halves.count)
    set.kernels.to_float(BLOOM_F16, halves, halves.count, &floats)
    var back = [UInt16](repeating: 0, count: halves.count)
    set.kernels.from_float(BLOOM_F16, floats, floats.count, &back)
    var wrong: [UInt16] = []
    for (bits, value) in zip(halves, floats) {
      let exponent = Int(bits >> 10 & 31)
      let fraction = Float(bits & 1023) / 1024
      let sign: Float = bits >> 15 == 0 ? 1 : -1
      let isRight: Bool
      switch (exponent, fraction) {
      case (31, 0): isRight = value == sign * .infinity
      case (31, _): isRight = value.isNaN
      case (0, _): isRight = value == sign * fraction * 0x1p-14
      default:
        isRight =
          value == sign * (1 + fraction)
          * Float(sign: .plus, exponent: exponent - 15, significand: 1)
      }
      if !isRight || (!value.isNaN && back[Int(bits)] != bits) { wrong.append(bits) }
    }
    #expect(wrong == [])
    #expect(float(0x3C01, BLOOM_F16) == 1 + 0x1p-10)
  }

  @Test("Rounding goes to the nearest, ties to even")
  func rounding() {
    #expect(half(1 + 0x1p-11, BLOOM_F16) == 0x3C00)
    #expect(half(1 + 0x1.8p-10, BLOOM_F16) == 0x3C02)
    #expect(half(65519, BLOOM_F16) == 0x7BFF)
    #expect(half(65520, BLOOM_F16) == 0x7C00)
    #expect(half(-0x1p-25, BLOOM_F16) == 0x8000)
    #expect(half(0x1.8p-25, BLOOM_F16) == 1)
    #expect(half(.nan, BLOOM_F16) & 0x7FFF > 0x7C00)
    #expect(half(1 + 0x1p-8, BLOOM_BF16) == 0x3F80)
    #expect(half(1 + 0x1.8p-7, BLOOM_BF16) == 0x3F82)
    #expect(half(.greatestFiniteMagnitude, BLOOM_BF16) == 0x7F80)
    #expect(half(.nan, BLOOM_BF16) & 0x7FFF > 0x7F80)
    #expect(float(0x3F81, BLOOM_BF16) == 1 + 0x1p-7)
  }
}
