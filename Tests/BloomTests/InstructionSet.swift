import BloomKernels
import Testing

/// The kernels of one instruction set.
struct InstructionSet: @unchecked Sendable, CustomTestStringConvertible {
  // Sendable: constant pointers to functions, and to a constant name.
  let kernels: bloom_kernels

  var testDescription: String { String(cString: kernels.name) }

  /// Those that this machine runs, the best last.
  static let all: [InstructionSet] = [BLOOM_PORTABLE, BLOOM_AVX2, BLOOM_AVX512]
    .compactMap { bloom_kernels_of($0) }
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
  @Test("The library uses the best set that the machine has; one runs anywhere")
  func best() throws {
    let last = try #require(InstructionSet.all.last)
    #expect(String(cString: bloom_instruction_set()) == last.testDescription)
    #expect(InstructionSet.all.first?.testDescription == "portable")
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
