import Foundation

#if canImport(Accelerate)
  import Accelerate
#else
  import CBLAS
#endif

/// The processor features and libraries that this process computes with, for benchmarks.
public enum Arithmetic {
  /// The instruction set of the kernels: the name of a ``KernelSet``.
  public static var instructionSet: String { KernelSet.used.rawValue }

  /// The BLAS, with the processor that it takes this one for.
  public static var blas: String { BLAS.description }

  /// Whether this process computes with the BLAS at all: its kernels are the portable ones.
  public static var usesBLAS: Bool { FloatProduct.isByBLAS }

  /// Threads that share the arithmetic of all models in the process.
  public static var threads: Int { ComputePool.shared.threads }

  /// Validates the environment variables of the arithmetic (`BLOOM_THREADS`, `BLOOM_KERNELS`).
  ///
  /// Without it the first arithmetic throws the same error.
  /// - Throws: ``EnvironmentError``.
  public static func checkEnvironment() throws(EnvironmentError) {
    if let refusal = ComputePool.shared.refusal { throw refusal }
  }
}

/// A variable of the environment whose value cannot be used.
public struct EnvironmentError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The variable's name.
  public let variable: String
  /// The expected value, with its limits.
  public let expected: String
  /// The actual value.
  public let found: String

  package init(variable: String, expected: String, found: String) {
    self.variable = variable
    self.expected = expected
    self.found = found
  }

  /// One line: what is wrong, and what to do.
  public var description: String {
    "\(variable): expected \(expected), found \"\(found)\"; unset it for the default"
  }
}

/// The only place that calls the BLAS.
///
/// Safe because the library is used as single-threaded: ``useOneThread()`` runs before the first
/// product, so each call computes on the thread that makes it and keeps no state between calls.
/// Pointers are valid for the shapes named, which the callers derive from checked configurations.
enum BLAS {
  /// Asks OpenBLAS, when that is what runs, to leave threads to us.
  static func useOneThread() {
    #if os(Linux)
      // The symbol belongs to OpenBLAS alone; the reference BLAS has no threads to turn off.
      if let symbol = dlsym(nil, "openblas_set_num_threads") {
        let set = unsafeBitCast(symbol, to: (@convention(c) (Int32) -> Void).self)
        set(1)
      }
    #endif
  }

  /// The library that runs and the processor it was tuned for, for reports.
  static var description: String {
    #if canImport(Accelerate)
      return "Accelerate"
    #elseif os(Linux)
      guard let symbol = dlsym(nil, "openblas_get_corename") else { return "BLAS" }
      let name = unsafeBitCast(
        symbol, to: (@convention(c) () -> UnsafePointer<CChar>?).self)
      return "OpenBLAS \(name().map { String(cString: $0) } ?? "")"
    #else
      return "BLAS"
    #endif
  }

  /// c [m, n] = alpha a [m, k] b [k, n] + beta c; a transposed operand is stored the other way.
  static func multiply(
    _ m: Int, _ n: Int, _ k: Int, alpha: Float = 1,
    _ a: UnsafePointer<Float>, _ lda: Int, transposingFirst transposeA: Bool = false,
    _ b: UnsafePointer<Float>, _ ldb: Int, transposing transposeB: Bool = false,
    beta: Float = 0, _ c: UnsafeMutablePointer<Float>, _ ldc: Int
  ) {
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      Int32(m), Int32(n), Int32(k), alpha, a, Int32(lda), b, Int32(ldb), beta, c, Int32(ldc))
  }
}
