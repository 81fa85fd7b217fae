internal import BloomKernels

/// The kernels of one instruction set.
public enum KernelSet: String, CaseIterable, Sendable {
  /// The build's baseline: SSE2 on x86-64, NEON on arm64.
  case portable
  /// AVX2 with FMA and F16C.
  case avx2
  /// AVX-512 F, BW, CD, DQ and VL, and VNNI where there is one.
  case avx512
  /// AVX-512 and AMX: products of bf16 and 8-bit weights by tile registers.
  case amx
  /// The baseline with emulated tile registers: slow, for tests on any processor.
  case tiles

  /// Those that this processor has.
  public static var available: [KernelSet] {
    allCases.filter { bloom_kernels_of($0.instructions) != nil }
  }

  /// The one that computes in this process.
  public static var used: KernelSet {
    allCases.first { $0.instructions == bloom_used_instructions() } ?? .portable
  }

  /// Requires that a setting is missing, empty or the name of an available set.
  ///
  /// The kernels read `BLOOM_KERNELS` themselves, and take the best set for what is refused here.
  /// - Throws: ``EnvironmentError`` that lists the available sets.
  package static func check(_ setting: String?) throws(EnvironmentError) {
    guard let setting, !setting.isEmpty else { return }
    guard available.contains(where: { $0.rawValue == setting }) else {
      throw EnvironmentError(
        variable: "BLOOM_KERNELS",
        expected: "a set that this processor has ("
          + available.map(\.rawValue).joined(separator: ", ") + ")",
        found: setting)
    }
  }

  private var instructions: bloom_instructions {
    switch self {
    case .portable: BLOOM_PORTABLE
    case .avx2: BLOOM_AVX2
    case .avx512: BLOOM_AVX512
    case .amx: BLOOM_AMX
    case .tiles: BLOOM_TILES
    }
  }
}
