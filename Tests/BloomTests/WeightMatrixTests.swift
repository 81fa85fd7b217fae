import Bloom
import Foundation
import Testing

@Suite("Products of a checkpoint's matrices")
struct WeightMatrixTests {
  private static let name = "h.3.mlp.dense_h_to_4h.weight"

  private func product(
    _ matrix: WeightMatrix, _ x: [Float], _ tokens: Int, _ way: WeightMatrix.Way,
    _ finish: (UnsafePointer<Float>) -> WeightMatrix.Finish = { _ in .nothing }
  ) -> [Float] {
    let bias = numbers(matrix.rows, seed: 8)
    let other = numbers(tokens * matrix.rows, seed: 9)
    return other.withUnsafeBufferPointer { other in
      [Float](unsafeUninitializedCapacity: tokens * matrix.rows) { buffer, count in
        guard let y = buffer.baseAddress, let other = other.baseAddress else { return }
        matrix.multiply(x, tokens: tokens, bias: bias, into: y, then: finish(other), by: way)
        count = tokens * matrix.rows
      }
    }
  }

  @Test(
    "The kernel's and the BLAS's products agree, whatever follows them",
    arguments: ElementType.allCases, [1, 3, 24, 100])
  func ways(_ dtype: ElementType, _ tokens: Int) async throws {
    try await withTemporaryFolder { folder in
      let target = folder.appending(path: "model")
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: dtype, into: target)
      let matrix = try Checkpoint(directory: target).matrix(Self.name)
      #expect(matrix.elementType == dtype)
      let x = numbers(tokens * matrix.columns, seed: 4)
      // 8-bit weights round their vectors for the kernel alone.
      let tolerance: Float = dtype == .q8 ? 1e-4 : 1e-5
      let plain = product(matrix, x, tokens, .blas)
      expectClose(product(matrix, x, tokens, .kernel), plain, tolerance: tolerance, "plain")
      let added = product(matrix, x, tokens, .blas) { .adding($0) }
      expectClose(
        product(matrix, x, tokens, .kernel) { .adding($0) }, added, tolerance: tolerance, "added")
      let other = numbers(tokens * matrix.rows, seed: 9)
      expectClose(added, zip(plain, other).map { $0 + $1 }, tolerance: 1e-6, "a sum")
      let activated = product(matrix, x, tokens, .blas) { _ in .gelu }
      expectClose(
        product(matrix, x, tokens, .kernel) { _ in .gelu }, activated, tolerance: tolerance,
        "activated")
      #expect(activated != plain)
    }
  }
}
