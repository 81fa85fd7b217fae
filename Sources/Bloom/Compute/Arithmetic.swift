internal import BloomKernels

/// What this process computes with, for reports of figures.
public enum Arithmetic {
  /// The instruction set of the kernels: `avx512`, `avx2` or `portable`.
  public static var instructionSet: String { String(cString: bloom_instruction_set()) }

  /// The BLAS, with the processor that it takes this one for.
  public static var blas: String { BLAS.description }

  /// Threads that share the arithmetic of all models in the process.
  public static var threads: Int { ComputePool.shared.threads }

  /// Requires that the environment says of the arithmetic what can be used (`BLOOM_THREADS`).
  ///
  /// Without it the first arithmetic throws the same error.
  /// - Throws: ``EnvironmentError``.
  public static func checkEnvironment() throws(EnvironmentError) {
    if let refusal = ComputePool.shared.refusal { throw refusal }
  }
}
