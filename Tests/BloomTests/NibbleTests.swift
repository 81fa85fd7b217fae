import Bloom
import BloomKernels
import Foundation
import TestSupport
import Testing

/// 4-bit weights, by every instruction set that this machine runs.
@Suite("4-bit weights")
struct NibbleTests {
  /// A matrix of 4-bit weights, and the floats that it stands for by the format's own words.
  struct Packed {
    let rows: Int
    let columns: Int
    var bytes: [UInt8]
    var scales: [UInt16]

    var groups: Int { (columns + 63) / 64 }

    init(_ x: [Float], rows: Int, columns: Int, by set: InstructionSet) {
      self.rows = rows
      self.columns = columns
      let groups = (columns + 63) / 64
      bytes = [UInt8](repeating: 0xa5, count: rows * groups * 32)
      scales = [UInt16](repeating: 9, count: rows * groups)
      set.kernels.q4_pack(x, rows, columns, &bytes, &scales)
    }

    /// The scale of an element's group.
    func scale(_ row: Int, _ column: Int) -> Float {
      Float(bitPattern: UInt32(scales[row * groups + column / 64]) << 16)
    }

    /// Word i of a group has columns i, 16 + i, 32 + i and 48 + i, from its lowest bits on.
    func integer(_ row: Int, _ column: Int) -> Int {
      let group = (row * groups + column / 64) * 32
      let byte = bytes[group + column % 16 * 2 + column % 64 / 32]
      let nibble = Int(column % 32 < 16 ? byte & 15 : byte >> 4)
      return nibble < 8 ? nibble : nibble - 16
    }

    var floats: [Float] {
      (0..<rows * columns).map {
        Float(integer($0 / columns, $0 % columns)) * scale($0 / columns, $0 % columns)
      }
    }
  }

  @Test(
    "Words hold every sixteenth column, and a row ends with zeros", arguments: InstructionSet.all)
  func layout(_ set: InstructionSet) {
    // Column c is (c mod 16) - 8, so that the scale is one.
    let x = (0..<70).map { Float($0 % 16) - 8 }
    let packed = Packed(x, rows: 1, columns: 70, by: set)
    #expect(packed.scales == [0x3f80, 0x3f80])
    for word in 0..<16 {
      let nibble = UInt8(truncatingIfNeeded: word - 8) & 15
      #expect(packed.bytes[2 * word] == nibble | nibble << 4)
      #expect(packed.bytes[2 * word + 1] == nibble | nibble << 4)
      #expect(packed.bytes[32 + 2 * word] == (word < 6 ? nibble : 0))
      #expect(packed.bytes[32 + 2 * word + 1] == 0)
    }
  }

  @Test(
    "Every set makes the same weights, the nearest to its scale, of the best scale of four",
    arguments: InstructionSet.all, [1, 63, 64, 65, 200])
  func rounding(_ set: InstructionSet, _ columns: Int) throws {
    let rows = 5
    let x = numbers(rows * columns, scale: 5)
    let packed = Packed(x, rows: rows, columns: columns, by: set)
    let first = try #require(InstructionSet.all.first)
    let other = Packed(x, rows: rows, columns: columns, by: first)
    #expect(packed.bytes == other.bytes && packed.scales == other.scales)
    for row in 0..<rows {
      for start in stride(from: 0, to: columns, by: 64) {
        let own = (start..<min(columns, start + 64)).map { x[row * columns + $0] }
        let largest = own.max { abs($0) < abs($1) } ?? 0
        func loss(_ scale: Float) -> Double {
          own.reduce(0) { sum, value in
            let integer = min(7, max(-8, (value / scale).rounded(.toNearestOrEven)))
            return sum + pow2(Double(value) - Double(integer * scale))
          }
        }
        let scale = packed.scale(row, start)
        let found = zip(own, start...).reduce(0.0) {
          $0 + pow2(Double($1.0) - Double(Float(packed.integer(row, $1.1)) * scale))
        }
        // An element exactly between two integers may go either way in single precision.
        #expect(abs(found - loss(scale)) <= 1e-4 * found)
        for divisor: Float in [-8, -8.5, -7.5, -9] {
          let candidate = Self.bfloat16(largest / divisor)
          #expect(found <= loss(candidate) * 1.0001)
        }
      }
    }
    // All of it, and a part of the rows and columns, as floats.
    var back = [Float](repeating: 9, count: x.count)
    set.kernels.q4_to_float(packed.bytes, packed.scales, columns, 0, rows, 0, columns, &back)
    #expect(back == packed.floats)
    var part = [Float](repeating: 9, count: columns - columns / 3)
    set.kernels.q4_to_float(
      packed.bytes, packed.scales, columns, 1, 1, columns / 3, part.count, &part)
    #expect(part == Array(back[columns + columns / 3..<2 * columns]))
  }

  @Test("Of normally distributed weights a tenth is lost, less than with the first scale alone")
  func loss() throws {
    let count = 64 * 2000
    // Box and Muller: two uniform numbers make a normal one.
    let radii = numbers(count, seed: 11)
    let angles = numbers(count, seed: 12)
    let x = zip(radii, angles).map { radius, angle in
      Float(
        (-2 * log(max(1e-9, abs(Double(radius))))).squareRoot() * cos(Double.pi * Double(angle)))
    }
    func share(_ loss: Double) -> Double {
      (loss / x.reduce(0) { $0 + pow2(Double($1)) }).squareRoot()
    }
    let set = try #require(InstructionSet.all.last)
    let found = Packed(x, rows: count / 64, columns: 64, by: set).floats
    let own = share(zip(x, found).reduce(0) { $0 + pow2(Double($1.0) - Double($1.1)) })
    /// With one scale for each group: the element of the largest magnitude becomes -8.
    func plain(_ group: Int) -> Double {
      share(
        stride(from: 0, to: count, by: group).reduce(0) { sum, start in
          let own = x[start..<start + group]
          let scale = (own.max { abs($0) < abs($1) } ?? 1) / -8
          return own.reduce(sum) {
            $0 + pow2(Double($1) - Double(min(7, ($1 / scale).rounded()) * scale))
          }
        })
    }
    // The figures that Numerics.md gives.
    #expect(abs(own - 0.091) < 0.001, "\(own)")
    #expect(abs(plain(64) - 0.095) < 0.001, "\(plain(64))")
    #expect(abs(plain(32) - 0.086) < 0.001, "\(plain(32))")
  }

  private func pow2(_ value: Double) -> Double { value * value }

  private static func bfloat16(_ value: Float) -> Float {
    var half: UInt16 = 0
    bloom_from_float(BLOOM_BF16, [value], 1, &half)
    return Float(bitPattern: UInt32(half) << 16)
  }

  @Test("Zeros and large numbers survive, the smallest become zero", arguments: InstructionSet.all)
  func extremes(_ set: InstructionSet) {
    let least = Float.leastNonzeroMagnitude
    for values in [[0, 0], [-0, 1], [least, 0], [3e38, -3e38]] as [[Float]] {
      let back = Packed(values, rows: 1, columns: 2, by: set).floats
      for (value, back) in zip(values, back) {
        #expect(abs(back - value) <= max(abs(values[0]) / 7, least) || value == 1 && back > 0.9)
        #expect(back.isFinite)
      }
    }
  }

  @Test("NaN and infinity become NaN", arguments: InstructionSet.all, [Float.nan, .infinity])
  func notFinite(_ set: InstructionSet, _ value: Float) {
    let packed = Packed([1, value, 2, 3], rows: 1, columns: 4, by: set)
    #expect(!packed.scale(0, 0).isFinite)
    let areNumbers = packed.floats.contains { !$0.isNaN }
    #expect(!areNumbers)
  }

  @Test(
    "Products with one to nine vectors", arguments: InstructionSet.all, ProductTests.shapes)
  func few(_ set: InstructionSet, _ shape: ProductTests.Shape) {
    products(set, shape, Array(ProductTests.few))
  }

  @Test("Products with many vectors", arguments: InstructionSet.all, ProductTests.largeShapes)
  func many(_ set: InstructionSet, _ shape: ProductTests.Shape) {
    products(set, shape, [1, 2, 5] + ProductTests.many)
  }

  private func products(_ set: InstructionSet, _ shape: ProductTests.Shape, _ counts: [Int]) {
    let (rows, columns) = (shape.rows, shape.columns)
    let packed = Packed(numbers(rows * columns, scale: 2), rows: rows, columns: columns, by: set)
    let weights = packed.floats
    let bias = numbers(rows, seed: 5)
    for vectors in counts {
      let x = numbers(vectors * columns, seed: 6)
      var integers = [Int16](repeating: 9, count: vectors * columns)
      var steps = [Float](repeating: 9, count: vectors * packed.groups)
      set.kernels.q8_round(x, vectors, columns, &integers, &steps)
      // Rows of y lie further apart than they are long.
      var y = [Float](repeating: 9, count: vectors * (rows + 2))
      set.kernels.q4_matrix_vectors(
        packed.bytes, packed.scales, rows, columns, integers, steps, vectors, bias, &y, rows + 2)
      for vector in 0..<vectors {
        let expected = ProductTests.product(
          weights, rows, columns, Array(x[vector * columns..<(vector + 1) * columns]), bias)
        let found = y.dropFirst(vector * (rows + 2))
        // A vector's elements are rounded to 1/65534 of the largest of their group.
        expectClose(
          found.prefix(rows), expected, tolerance: 1e-4, "vector \(vector) of \(vectors)")
        #expect(found.dropFirst(rows).prefix(2).allSatisfy { $0 == 9 })
      }
      var bare = [Float](repeating: 9, count: vectors * rows)
      set.kernels.q4_matrix_vectors(
        packed.bytes, packed.scales, rows, columns, integers, steps, vectors, nil, &bare, rows)
      for vector in 0..<vectors {
        let own = (0..<rows).map { y[vector * (rows + 2) + $0] - bias[$0] }
        expectClose(
          bare[vector * rows..<(vector + 1) * rows], own, tolerance: 1e-4, "without a bias")
      }
    }
  }
}
