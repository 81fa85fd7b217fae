import Bloom
import BloomKernels
import Foundation
import TestSupport
import Testing

/// Products of stored weights, by every instruction set that this machine runs, against loops in
/// double precision.
@Suite("Products of stored weights")
struct ProductTests {
  struct Shape: Sendable, CustomTestStringConvertible {
    let rows: Int
    let columns: Int
    var testDescription: String { "\(rows) x \(columns)" }
  }

  /// Whole cache lines, whole registers and single elements; rests of rows of every number.
  static let shapes = [
    (1, 1), (2, 3), (3, 5), (4, 64), (5, 48), (6, 200), (7, 130), (8, 8), (9, 17), (16, 31),
    (23, 40), (24, 65), (41, 96),
  ].map { Shape(rows: $0, columns: $1) }

  @Test(
    "Weights of 32 and 16 bits times one to nine vectors", arguments: InstructionSet.all, shapes)
  func matrixVectors(_ set: InstructionSet, _ shape: Shape) {
    let (rows, columns) = (shape.rows, shape.columns)
    for element in [BLOOM_F32, BLOOM_F16, BLOOM_BF16] {
      let stored = store(numbers(rows * columns, scale: 2), element)
      let weights = load(stored, element, rows * columns)
      let bias = numbers(rows, seed: 5)
      for vectors in 1...9 {
        // Rows of x and y lie further apart than they are long.
        let x = numbers(vectors * (columns + 3), seed: 6)
        var y = [Float](repeating: 9, count: vectors * (rows + 2))
        set.kernels.matrix_vectors(
          element, stored, rows, columns, x, columns + 3, vectors, bias, &y, rows + 2)
        for vector in 0..<vectors {
          let expected = product(
            weights, rows, columns, Array(x.dropFirst(vector * (columns + 3)).prefix(columns)),
            bias)
          let found = y.dropFirst(vector * (rows + 2))
          expectClose(
            found.prefix(rows), expected, tolerance: 1e-5, "vector \(vector) of \(vectors)")
          #expect(found.dropFirst(rows).prefix(2).allSatisfy { $0 == 9 })
        }
      }
    }
  }

  @Test("A product without a bias starts from nothing", arguments: InstructionSet.all)
  func withoutBias(_ set: InstructionSet) {
    let weights = numbers(7 * 33)
    let x = numbers(33, seed: 2)
    var y = [Float](repeating: 9, count: 7)
    set.kernels.matrix_vectors(BLOOM_F32, weights, 7, 33, x, 33, 1, nil, &y, 7)
    let expected = product(weights, 7, 33, x, [Float](repeating: 0, count: 7))
    expectClose(y, expected, tolerance: 1e-5, "product")
  }

  @Test("8-bit weights times one to nine vectors", arguments: InstructionSet.all, shapes)
  func integers(_ set: InstructionSet, _ shape: Shape) {
    let (rows, columns) = (shape.rows, shape.columns)
    let groups = (columns + 63) / 64
    var packed = [Int8](repeating: 9, count: rows * columns)
    var scales = [Float](repeating: 9, count: rows * groups)
    set.kernels.q8_pack(numbers(rows * columns, scale: 2), rows, columns, &packed, &scales)
    let weights = packed.indices.map { index in
      Float(packed[index]) * scales[index / columns * groups + index % columns / 64]
    }
    let bias = numbers(rows, seed: 5)
    for vectors in 1...9 {
      let x = numbers(vectors * columns, seed: 6)
      var integers = [Int16](repeating: 9, count: vectors * columns)
      var steps = [Float](repeating: 9, count: vectors * groups)
      set.kernels.q8_round(x, vectors, columns, &integers, &steps)
      var y = [Float](repeating: 9, count: vectors * rows)
      set.kernels.q8_matrix_vectors(
        packed, scales, rows, columns, integers, steps, vectors, bias, &y, rows)
      for vector in 0..<vectors {
        let expected = product(
          weights, rows, columns, Array(x[vector * columns..<(vector + 1) * columns]), bias)
        // A vector's elements are rounded to 1/65534 of the largest of their group.
        expectClose(
          y[vector * rows..<(vector + 1) * rows], expected, tolerance: 1e-4,
          "vector \(vector) of \(vectors)")
      }
    }
  }
}

extension ProductTests {
  private func product(
    _ weights: [Float], _ rows: Int, _ columns: Int, _ x: [Float], _ bias: [Float]
  ) -> [Float] {
    (0..<rows).map { row in
      Float(
        (0..<columns).reduce(Double(bias[row])) {
          $0 + Double(weights[row * columns + $1]) * Double(x[$1])
        })
    }
  }

  private func store(_ values: [Float], _ element: bloom_element) -> [UInt8] {
    let size = element == BLOOM_F32 ? 4 : 2
    return [UInt8](unsafeUninitializedCapacity: values.count * size) { buffer, filled in
      bloom_from_float(element, values, values.count, buffer.baseAddress)
      filled = values.count * size
    }
  }

  private func load(_ bytes: [UInt8], _ element: bloom_element, _ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      bloom_to_float(element, bytes, count, buffer.baseAddress)
      filled = count
    }
  }
}

@Suite("Products of a checkpoint's matrices")
struct WeightMatrixTests {
  private static let name = "h.3.mlp.dense_h_to_4h.weight"

  private func product(
    _ matrix: WeightMatrix, _ x: [Float], _ tokens: Int, _ kernel: WeightMatrix.Kernel,
    _ epilogue: (UnsafePointer<Float>) -> WeightMatrix.Epilogue = { _ in .nothing }
  ) -> [Float] {
    let bias = numbers(matrix.rows, seed: 8)
    let other = numbers(tokens * matrix.rows, seed: 9)
    return other.withUnsafeBufferPointer { other in
      [Float](unsafeUninitializedCapacity: tokens * matrix.rows) { buffer, count in
        guard let y = buffer.baseAddress, let other = other.baseAddress else { return }
        matrix.multiply(x, tokens: tokens, bias: bias, into: y, then: epilogue(other), by: kernel)
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

@Suite("8-bit weights")
struct IntegerWeightTests {
  @Test(
    "Each weight is at most half a step from its own",
    arguments: InstructionSet.all, [1, 63, 64, 65, 200])
  func rounding(_ set: InstructionSet, _ columns: Int) {
    let rows = 3
    let groups = (columns + 63) / 64
    let x = numbers(rows * columns, scale: 5)
    var packed = [Int8](repeating: 9, count: x.count)
    var scales = [Float](repeating: 9, count: rows * groups)
    set.kernels.q8_pack(x, rows, columns, &packed, &scales)
    var back = [Float](repeating: 9, count: x.count)
    set.kernels.q8_to_float(packed, scales, columns, 0, rows, 0, columns, &back)
    for row in 0..<rows {
      for group in 0..<groups {
        let own = row * columns + group * 64..<row * columns + min(columns, group * 64 + 64)
        let largest = x[own].reduce(0) { max($0, abs($1)) }
        #expect(scales[row * groups + group] == largest / 127)
        for index in own {
          #expect(abs(x[index] - back[index]) <= largest / 127 * 0.5001)
        }
      }
    }
    // A part of the rows and columns is the same part of the whole.
    var part = [Float](repeating: 9, count: columns - columns / 3)
    set.kernels.q8_to_float(packed, scales, columns, 1, 1, columns / 3, part.count, &part)
    #expect(part == Array(back[columns + columns / 3..<2 * columns]))
  }

  @Test("Zeros and large numbers survive, the smallest become zero", arguments: InstructionSet.all)
  func extremes(_ set: InstructionSet) {
    let least = Float.leastNonzeroMagnitude
    for values in [[0, 0], [-0, 1], [least, 0], [3e38, -3e38]] as [[Float]] {
      var packed: [Int8] = [9, 9]
      var scale: Float = 9
      set.kernels.q8_pack(values, 1, 2, &packed, &scale)
      for (value, integer) in zip(values, packed) {
        #expect(abs(Float(integer) * scale - value) <= max(abs(values[0]) / 100, 7 * least))
      }
    }
  }

  @Test("NaN and infinity become NaN", arguments: InstructionSet.all, [Float.nan, .infinity])
  func notFinite(_ set: InstructionSet, _ value: Float) {
    var integers = [Int16](repeating: 9, count: 4)
    var step: Float = 9
    set.kernels.q8_round([1, value, 2, 3], 1, 4, &integers, &step)
    var y: Float = 0
    set.kernels.q8_matrix_vectors([1, 1, 1, 1], [1], 1, 4, integers, &step, 1, nil, &y, 1)
    #expect(y.isNaN)
  }
}
