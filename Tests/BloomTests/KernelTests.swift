import Bloom
import BloomKernels
import Foundation
import TestSupport
import Testing

/// Kernels of every instruction set that this machine runs, against plain loops in double precision,
/// at sizes that leave rests of every length.
@Suite("Kernels")
struct KernelTests {
  private static let sizes = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 48, 65, 100]

  @Test("Layer norm", arguments: InstructionSet.all, sizes)
  func layerNorm(_ set: InstructionSet, _ columns: Int) {
    let x = numbers(3 * columns, scale: 5).map { $0 + 3 }
    let weight = numbers(columns, seed: 2)
    let bias = numbers(columns, seed: 3)
    var y = [Float](repeating: 0, count: x.count)
    set.kernels.layer_norm(x, 3, columns, weight, bias, 1e-5, &y)
    var expected: [Float] = []
    for row in 0..<3 {
      let values = x[row * columns..<(row + 1) * columns].map(Double.init)
      let mean = values.reduce(0, +) / Double(columns)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      for (column, value) in values.enumerated() {
        let normal = (value - mean) / (variance + 1e-5).squareRoot()
        expected.append(Float(normal * Double(weight[column]) + Double(bias[column])))
      }
    }
    expectClose(y, expected, tolerance: 1e-5, "layer norm of \(columns)")
  }

  @Test("The layer norm's gradient is its slope", arguments: InstructionSet.all, [3, 8, 17])
  func layerNormGradient(_ set: InstructionSet, _ columns: Int) {
    let x = numbers(columns, scale: 2)
    let weight = numbers(columns, seed: 2)
    let dy = numbers(columns, seed: 3)
    var dx = [Float](repeating: 0.5, count: columns)
    set.kernels.layer_norm_backward(x, dy, 1, columns, weight, 1e-5, &dx)
    func loss(_ x: [Double]) -> Double {
      let mean = x.reduce(0, +) / Double(columns)
      let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      return x.indices.reduce(0) {
        $0 + (x[$1] - mean) / (variance + 1e-5).squareRoot() * Double(weight[$1] * dy[$1])
      }
    }
    let expected = slope(of: loss, at: x).map { $0 + 0.5 }
    expectClose(dx, expected, tolerance: 1e-4, "gradient of \(columns)")
  }

  @Test("GELU and its slope", arguments: InstructionSet.all, sizes)
  func gelu(_ set: InstructionSet, _ count: Int) {
    let x = numbers(count, scale: 9)
    var y = x
    set.kernels.gelu(&y, count)
    func exact(_ x: Double) -> Double {
      0.5 * x * (1 + tanh(0.79788456 * x * (1 + 0.044715 * x * x)))
    }
    expectClose(y, x.map { Float(exact(Double($0))) }, tolerance: 1e-6, "GELU of \(count)")
    var dy = [Float](repeating: 2, count: count)
    set.kernels.gelu_backward(x, &dy, count)
    let slopes = x.map { Float(exact(Double($0) + 1e-5) - exact(Double($0) - 1e-5)) / 1e-5 }
    expectClose(dy, slopes, tolerance: 1e-5, "slope of GELU of \(count)")
  }

  @Test("GELU far from zero is the identity or zero", arguments: InstructionSet.all)
  func geluExtremes(_ set: InstructionSet) {
    var x: [Float] = [-1e30, -100, -20, 0, 20, 100, 1e30]
    set.kernels.gelu(&x, x.count)
    #expect(x[3...] == [0, 20, 100, 1e30])
    #expect(x[..<3].allSatisfy { abs($0) < 1e-8 })
  }

  @Test(
    "The largest element is found", arguments: InstructionSet.all, [1, 2, 1023, 1024, 1025, 5000])
  func argmax(_ set: InstructionSet, _ count: Int) {
    for place in Set([0, count / 2, count - 1]) {
      var x = [Float](repeating: -2, count: count)
      x[place] = -1
      #expect(set.kernels.argmax(x, count) == place)
    }
    #expect(set.kernels.argmax([Float](), 0) == -1)
  }
}

extension KernelTests {
  private func slope(of loss: ([Double]) -> Double, at x: [Float]) -> [Float] {
    x.indices.map { index in
      var above = x.map(Double.init)
      var below = above
      above[index] += 1e-5
      below[index] -= 1e-5
      return Float((loss(above) - loss(below)) / 2e-5)
    }
  }
}

/// The kernels of one instruction set.
struct InstructionSet: @unchecked Sendable, CustomTestStringConvertible {
  // Sendable: constant pointers to functions, and to a constant name.
  let kernels: bloom_kernels

  var testDescription: String { String(cString: kernels.name) }

  /// Those that this machine runs, the best last.
  static let all: [InstructionSet] = (0..<UInt32(BLOOM_SETS))
    .compactMap { bloom_kernels_of(bloom_instructions(rawValue: $0)) }
    .map { InstructionSet(kernels: $0.pointee) }
}

/// Numbers in [-scale, scale) without a pattern.
func numbers(_ count: Int, seed: UInt64 = 1, scale: Float = 1) -> [Float] {
  [Float](unsafeUninitializedCapacity: count) { buffer, filled in
    bloom_uniform(seed, 0, count, scale, BLOOM_F32, buffer.baseAddress)
    filled = count
  }
}

@Suite("Instruction sets")
struct InstructionSetTests {
  @Test("The library uses the best set that the machine has, unless one is asked for")
  func best() throws {
    let best = try #require(bloom_kernels_of(bloom_best_instructions()))
    let wanted = ProcessInfo.processInfo.environment["BLOOM_KERNELS"] ?? ""
    let expected = wanted.isEmpty ? String(cString: best.pointee.name) : wanted
    #expect(String(cString: bloom_instruction_set()) == expected)
    #expect(KernelSet.used.rawValue == expected)
  }

  @Test("Every set has a name of its own, and one runs anywhere")
  func names() {
    let names = InstructionSet.all.map(\.testDescription)
    #expect(names == KernelSet.available.map(\.rawValue))
    #expect(Set(names).count == names.count)
    #expect(names.first == "portable")
    #expect(KernelSet.allCases.count == Int(BLOOM_SETS))
  }

  @Test("No setting, an empty one and a set that is there are taken")
  func settings() throws {
    try KernelSet.check(nil)
    try KernelSet.check("")
    for set in KernelSet.available { try KernelSet.check(set.rawValue) }
  }

  @Test("An unknown set and one that is missing are refused", arguments: ["sse9", "AVX2", " "])
  func refusals(_ unknown: String) {
    let missing = KernelSet.allCases.filter { !KernelSet.available.contains($0) }.map(\.rawValue)
    for setting in missing + [unknown] {
      #expect {
        try KernelSet.check(setting)
      } throws: { error in
        "\(error)".contains("BLOOM_KERNELS") && "\(error)".contains("portable")
          && "\(error)".contains("\"\(setting)\"")
      }
    }
  }

  @Test("Seeded numbers are the same on every set", arguments: InstructionSet.all)
  func seeds(_ set: InstructionSet) {
    for element in [BLOOM_F32, BLOOM_F16, BLOOM_BF16] {
      var expected = [UInt32](repeating: 0, count: 3 * 1000)
      var found = expected
      bloom_uniform(7, 3, 1000, 0.3, element, &expected)
      bloom_uniform_pairs(7, 3, 1000, 0.3, element, &expected[1000])
      bloom_signs(7, 3, 1000, 0.3, element, &expected[2000])
      set.kernels.uniform(7, 3, 1000, 0.3, element, &found)
      set.kernels.uniform_pairs(7, 3, 1000, 0.3, element, &found[1000])
      set.kernels.signs(7, 3, 1000, 0.3, element, &found[2000])
      #expect(found == expected)
      #expect(Set(found).count > 900)
    }
  }
}

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
