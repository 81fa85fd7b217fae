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

  /// Panels of rows and parts of them, columns of one panel and of several.
  static let largeShapes = [(33, 64), (50, 128), (16, 320), (37, 1088), (19, 1100)]
    .map { Shape(rows: $0, columns: $1) }

  /// From one to the most that a tile of each set has, and beyond.
  static let few = 1...9
  /// Whole tiles and rests of them, on both sides of the number from which panels are used.
  static let many = [8, 13, 47, 48, 51]

  @Test(
    "Weights of 32 and 16 bits times one to nine vectors", arguments: InstructionSet.all, shapes)
  func matrixVectors(_ set: InstructionSet, _ shape: Shape) {
    matrixVectors(set, shape, Array(Self.few))
  }

  @Test(
    "Weights of 32 and 16 bits times many vectors", arguments: InstructionSet.all, largeShapes)
  func panels(_ set: InstructionSet, _ shape: Shape) {
    matrixVectors(set, shape, Self.many)
  }

  private func matrixVectors(_ set: InstructionSet, _ shape: Shape, _ counts: [Int]) {
    let (rows, columns) = (shape.rows, shape.columns)
    for element in [BLOOM_F32, BLOOM_F16, BLOOM_BF16] {
      let stored = Self.store(numbers(rows * columns, scale: 2), element)
      let weights = Self.load(stored, element, rows * columns)
      let bias = numbers(rows, seed: 5)
      for vectors in counts {
        // Rows of x and y lie further apart than they are long.
        let x = numbers(vectors * (columns + 3), seed: 6)
        var y = [Float](repeating: 9, count: vectors * (rows + 2))
        set.kernels.matrix_vectors(
          element, stored, rows, columns, x, columns + 3, vectors, bias, &y, rows + 2)
        for vector in 0..<vectors {
          let expected = Self.product(
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
    let expected = Self.product(weights, 7, 33, x, [Float](repeating: 0, count: 7))
    expectClose(y, expected, tolerance: 1e-5, "product")
  }

  @Test("8-bit weights times one to nine vectors", arguments: InstructionSet.all, shapes)
  func integers(_ set: InstructionSet, _ shape: Shape) {
    integers(set, shape, Array(Self.few))
  }

  @Test("8-bit weights times many vectors", arguments: InstructionSet.all, largeShapes)
  func integerPanels(_ set: InstructionSet, _ shape: Shape) {
    integers(set, shape, Self.many)
  }

  private func integers(_ set: InstructionSet, _ shape: Shape, _ counts: [Int]) {
    let (rows, columns) = (shape.rows, shape.columns)
    let groups = (columns + 63) / 64
    var packed = [Int8](repeating: 9, count: rows * columns)
    var scales = [Float](repeating: 9, count: rows * groups)
    set.kernels.q8_pack(numbers(rows * columns, scale: 2), rows, columns, &packed, &scales)
    let weights = packed.indices.map { index in
      Float(packed[index]) * scales[index / columns * groups + index % columns / 64]
    }
    let bias = numbers(rows, seed: 5)
    for vectors in counts {
      let x = numbers(vectors * columns, seed: 6)
      var integers = [Int16](repeating: 9, count: vectors * columns)
      var steps = [Float](repeating: 9, count: vectors * groups)
      set.kernels.q8_round(x, vectors, columns, &integers, &steps)
      var y = [Float](repeating: 9, count: vectors * rows)
      set.kernels.q8_matrix_vectors(
        packed, scales, rows, columns, integers, steps, vectors, bias, &y, rows)
      for vector in 0..<vectors {
        let expected = Self.product(
          weights, rows, columns, Array(x[vector * columns..<(vector + 1) * columns]), bias)
        // A vector's elements are rounded to 1/65534 of the largest of their group.
        expectClose(
          y[vector * rows..<(vector + 1) * rows], expected, tolerance: 1e-4,
          "vector \(vector) of \(vectors)")
      }
    }
  }
}

/// Weights as they lie times vectors that were packed for tile registers.
@Suite("Products by tiles")
struct TileProductTests {
  /// Those that have tiles: the emulated ones, and the processor's.
  static let sets = InstructionSet.all.filter { $0.kernels.tile_product != nil }

  /// Parts of tiles, whole ones, and several with a rest.
  static let shapes = [(5, 64), (15, 128), (16, 64), (17, 192), (32, 320), (33, 64), (50, 1088)]
    .map { ProductTests.Shape(rows: $0, columns: $1) }
  static let counts = [1, 8, 15, 16, 17, 32, 33, 50]

  @Test("Every processor tests tiles; what has no tiles has no number of vectors for them")
  func available() throws {
    #expect(Self.sets.contains { $0.testDescription == "tiles" })
    for set in InstructionSet.all where set.kernels.tile_product == nil {
      #expect(set.kernels.tile_bytes == nil && set.kernels.tile_pack == nil)
    }
  }

  @Test("Columns that do not fill a tile are left to other kernels", arguments: sets)
  func columns(_ set: InstructionSet) throws {
    let bytes = try #require(set.kernels.tile_bytes)
    #expect(bytes(BLOOM_TILES_BF16, 3, 48) == 0)
    #expect(bytes(BLOOM_TILES_Q8, 3, 96) == 0)
    // 16 vectors of three 16-bit terms, or of two bytes with a step for 64 of them.
    #expect(bytes(BLOOM_TILES_BF16, 16, 64) == 16 * 64 * 3 * 2)
    #expect(bytes(BLOOM_TILES_BF16, 17, 64) == 2 * 16 * 64 * 3 * 2)
    #expect(bytes(BLOOM_TILES_Q8, 1, 64) == 16 * (64 * 2 + 4))
  }

  @Test("bf16 weights times vectors of floats, as exact as floats are", arguments: sets, shapes)
  func halves(_ set: InstructionSet, _ shape: ProductTests.Shape) throws {
    let (rows, columns) = (shape.rows, shape.columns)
    let stored = ProductTests.store(numbers(rows * columns, scale: 2), BLOOM_BF16)
    let weights = ProductTests.load(stored, BLOOM_BF16, rows * columns)
    try check(set, BLOOM_TILES_BF16, shape, stored, [], weights, tolerance: 5e-6)
  }

  @Test("8-bit weights times vectors of two bytes", arguments: sets, shapes)
  func integers(_ set: InstructionSet, _ shape: ProductTests.Shape) throws {
    let (rows, columns) = (shape.rows, shape.columns)
    var packed = [Int8](repeating: 9, count: rows * columns)
    var scales = [Float](repeating: 9, count: rows * columns / 64)
    set.kernels.q8_pack(numbers(rows * columns, scale: 2), rows, columns, &packed, &scales)
    let weights = packed.indices.map { Float(packed[$0]) * scales[$0 / 64] }
    let stored = packed.map { UInt8(bitPattern: $0) }
    try check(set, BLOOM_TILES_Q8, shape, stored, scales, weights, tolerance: 1e-4)
  }

  private func check(
    _ set: InstructionSet, _ kind: bloom_tiles, _ shape: ProductTests.Shape, _ stored: [UInt8],
    _ scales: [Float], _ weights: [Float], tolerance: Float
  ) throws {
    let (rows, columns) = (shape.rows, shape.columns)
    let byteCount = try #require(set.kernels.tile_bytes)
    let pack = try #require(set.kernels.tile_pack)
    let multiply = try #require(set.kernels.tile_product)
    let bias = numbers(rows, seed: 5)
    for vectors in Self.counts {
      let x = numbers(vectors * (columns + 3), seed: 6)
      let buffer = UnsafeMutableRawPointer.allocate(
        byteCount: byteCount(kind, vectors, columns), alignment: 64)
      defer { buffer.deallocate() }
      pack(kind, x, columns + 3, vectors, columns, buffer)
      var y = [Float](repeating: 9, count: vectors * (rows + 2))
      multiply(
        kind, stored, scales, rows, columns, buffer, vectors, bias, &y, rows + 2)
      for vector in 0..<vectors {
        let expected = ProductTests.product(
          weights, rows, columns, Array(x.dropFirst(vector * (columns + 3)).prefix(columns)), bias)
        let found = y.dropFirst(vector * (rows + 2))
        expectClose(
          found.prefix(rows), expected, tolerance: tolerance, "vector \(vector) of \(vectors)")
        #expect(found.dropFirst(rows).prefix(2).allSatisfy { $0 == 9 })
      }
    }
  }
}

extension ProductTests {
  static func product(
    _ weights: [Float], _ rows: Int, _ columns: Int, _ x: [Float], _ bias: [Float]
  ) -> [Float] {
    (0..<rows).map { row in
      Float(
        (0..<columns).reduce(Double(bias[row])) {
          $0 + Double(weights[row * columns + $1]) * Double(x[$1])
        })
    }
  }

  static func store(_ values: [Float], _ element: bloom_element) -> [UInt8] {
    let size = element == BLOOM_F32 ? 4 : 2
    return [UInt8](unsafeUninitializedCapacity: values.count * size) { buffer, filled in
      bloom_from_float(element, values, values.count, buffer.baseAddress)
      filled = values.count * size
    }
  }

  static func load(_ bytes: [UInt8], _ element: bloom_element, _ count: Int) -> [Float] {
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
      // Quantized weights round their vectors for the kernel alone.
      let tolerance: Float = QuantizedType(dtype) == nil ? 1e-5 : 1e-4
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
