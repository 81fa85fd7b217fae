import BloomKernels

/// Products of float matrices, by the kernels where these are AVX2 or better, and else by the BLAS.
///
/// The kernels multiply rows by rows. An operand that lies otherwise is copied first, which costs as much as one
/// row of the other operand does.
package enum FloatProduct {
  /// Whether the BLAS makes them: a portable kernel is no match for it.
  package static let isByBLAS: Bool = {
    switch KernelSet.used {
    case .portable, .tiles: true
    case .avx2, .avx512, .amx: false
    }
  }()

  /// c [m, n] = a [m, k] b [k, n], or that plus c; a transposed operand is stored the other way.
  package static func multiply(
    _ m: Int, _ n: Int, _ k: Int,
    _ a: UnsafePointer<Float>, _ lda: Int, transposingFirst transposeA: Bool = false,
    _ b: UnsafePointer<Float>, _ ldb: Int, transposing transposeB: Bool = false,
    adding: Bool = false, _ c: UnsafeMutablePointer<Float>, _ ldc: Int, byBLAS: Bool = isByBLAS
  ) {
    if byBLAS {
      return BLAS.multiply(
        m, n, k, a, lda, transposingFirst: transposeA, b, ldb, transposing: transposeB,
        beta: adding ? 1 : 0, c, ldc)
    }
    let left = transposeA ? transposed(a, lda, rows: k, columns: m) : nil
    var right: FloatBuffer?
    if !transposeB {
      right = transposed(b, ldb, rows: k, columns: n)
    } else if ldb != k {
      right = dense(b, ldb, rows: n, columns: k)
    }
    let sums = adding ? FloatBuffer(count: m * n) : nil
    let weights = right.map { UnsafePointer($0.pointer) } ?? b
    bloom_matrix_vectors(
      BLOOM_F32, weights, n, k, left.map { UnsafePointer($0.pointer) } ?? a, left == nil ? lda : k,
      m, nil, sums?.pointer ?? c, sums == nil ? ldc : n)
    if let sums {
      for row in 0..<m { bloom_add(sums.pointer + row * n, n, c + row * ldc) }
    }
    // The buffers live until the kernel has read them.
    withExtendedLifetime((left, right, sums)) {}
  }

  /// [columns, rows] of a matrix [rows, columns], in squares of a few cache lines.
  private static func transposed(
    _ source: UnsafePointer<Float>, _ ld: Int, rows: Int, columns: Int
  ) -> FloatBuffer {
    let result = FloatBuffer(count: rows * columns)
    let target = result.pointer
    let side = 16
    for top in stride(from: 0, to: rows, by: side) {
      let bottom = min(top + side, rows)
      for left in stride(from: 0, to: columns, by: side) {
        for column in left..<min(left + side, columns) {
          for row in top..<bottom { target[column * rows + row] = source[row * ld + column] }
        }
      }
    }
    return result
  }

  private static func dense(
    _ source: UnsafePointer<Float>, _ ld: Int, rows: Int, columns: Int
  ) -> FloatBuffer {
    let result = FloatBuffer(count: rows * columns)
    for row in 0..<rows {
      (result.pointer + row * columns).update(from: source + row * ld, count: columns)
    }
    return result
  }
}
