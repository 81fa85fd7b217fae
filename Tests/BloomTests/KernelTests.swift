import BloomKernels
import Foundation
import Testing

/// Kernels against plain loops in double precision, at sizes that leave rests of every length.
@Suite("Kernels")
struct KernelTests {
  private static let sizes = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 48, 65, 100]

  /// Numbers in [-scale, scale) without a pattern.
  private func numbers(_ count: Int, seed: UInt64 = 1, scale: Float = 1) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      bloom_uniform(seed, 0, count, scale, BLOOM_F32, buffer.baseAddress)
      filled = count
    }
  }

  @Test("Layer norm", arguments: sizes)
  func layerNorm(_ columns: Int) {
    let x = numbers(3 * columns, scale: 5).map { $0 + 3 }
    let weight = numbers(columns, seed: 2)
    let bias = numbers(columns, seed: 3)
    var y = [Float](repeating: 0, count: x.count)
    bloom_layer_norm(x, 3, columns, weight, bias, 1e-5, &y)
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

  @Test("The layer norm's gradient is its slope", arguments: [3, 8, 17])
  func layerNormGradient(_ columns: Int) {
    let x = numbers(columns, scale: 2)
    let weight = numbers(columns, seed: 2)
    let dy = numbers(columns, seed: 3)
    var dx = [Float](repeating: 0.5, count: columns)
    bloom_layer_norm_backward(x, dy, 1, columns, weight, 1e-5, &dx)
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

  @Test("GELU and its slope", arguments: sizes)
  func gelu(_ count: Int) {
    let x = numbers(count, scale: 9)
    var y = x
    bloom_gelu(&y, count)
    func exact(_ x: Double) -> Double {
      0.5 * x * (1 + tanh(0.79788456 * x * (1 + 0.044715 * x * x)))
    }
    expectClose(y, x.map { Float(exact(Double($0))) }, tolerance: 1e-6, "GELU of \(count)")
    var dy = [Float](repeating: 2, count: count)
    bloom_gelu_backward(x, &dy, count)
    let slopes = x.map { Float(exact(Double($0) + 1e-5) - exact(Double($0) - 1e-5)) / 1e-5 }
    expectClose(dy, slopes, tolerance: 1e-5, "slope of GELU of \(count)")
  }

  @Test("GELU far from zero is the identity or zero")
  func geluExtremes() {
    var x: [Float] = [-1e30, -100, -20, 0, 20, 100, 1e30]
    bloom_gelu(&x, x.count)
    #expect(x[3...] == [0, 20, 100, 1e30])
    #expect(x[..<3].allSatisfy { abs($0) < 1e-8 })
  }

  @Test("The largest element is found", arguments: [1, 2, 1023, 1024, 1025, 5000])
  func argmax(_ count: Int) {
    for place in Set([0, count / 2, count - 1]) {
      var x = [Float](repeating: -2, count: count)
      x[place] = -1
      #expect(bloom_argmax(x, count) == place)
    }
    #expect(bloom_argmax([Float](), 0) == -1)
  }

  @Test("Attention of one query", arguments: [1, 2, 7, 8, 9, 30], [1, 8, 16, 19, 64])
  func attention(_ length: Int, _ size: Int) {
    let query = numbers(size)
    let keys = numbers(length * size, seed: 2, scale: 3)
    let values = numbers(length * size, seed: 3)
    var scores = [Float](repeating: 0, count: length)
    var y = [Float](repeating: 9, count: size)
    bloom_attend(query, keys, values, length, size, 0.5, 0.25, &scores, &y)
    let probabilities = exactProbabilities(query, keys, length, size)
    expectClose(scores, probabilities.map(Float.init), tolerance: 1e-5, "probabilities")
    let expected = (0..<size).map { column in
      Float(
        (0..<length).reduce(0.0) {
          $0 + probabilities[$1] * Double(values[$1 * size + column])
        })
    }
    expectClose(y, expected, tolerance: 1e-5, "context")
  }

  @Test("The causal softmax hides later keys", arguments: [0, 1, 5])
  func causalSoftmax(_ first: Int) {
    let rows = 3
    let size = 8
    let length = first + rows
    let queries = numbers(rows * size)
    let keys = numbers(length * size, seed: 2)
    var scores = (0..<rows * length).map { index in
      (0..<size).reduce(Float(0)) {
        $0 + queries[index / length * size + $1] * keys[index % length * size + $1]
      }
    }
    bloom_causal_softmax(&scores, rows, length, first, 0.5, 0.25)
    for row in 0..<rows {
      let visible = first + row + 1
      let expected = exactProbabilities(
        Array(queries[row * size..<(row + 1) * size]), keys, visible, size)
      let found = scores[row * length..<(row + 1) * length]
      expectClose(
        found.prefix(visible), expected.map(Float.init), tolerance: 1e-5, "row \(row)")
      #expect(found.dropFirst(visible).allSatisfy { $0 == 0 })
    }
  }

  @Test(
    "Stored weights times vectors", arguments: [BLOOM_F32, BLOOM_F16, BLOOM_BF16],
    [(1, 1), (3, 5), (8, 8), (9, 17), (16, 31), (23, 40), (24, 64)])
  func matrixVectors(_ element: bloom_element, _ shape: (rows: Int, columns: Int)) {
    let (rows, columns) = shape
    let stored = store(numbers(rows * columns, scale: 2), element)
    let weights = load(stored, element, rows * columns)
    let bias = numbers(rows, seed: 5)
    for vectors in 1...9 {
      let x = numbers(vectors * columns, seed: 6)
      var y = [Float](repeating: 9, count: vectors * rows)
      bloom_matrix_vectors(
        element, stored, rows, columns, x, columns, vectors, bias, &y, rows)
      let expected = (0..<vectors * rows).map { index in
        let (vector, row) = index.quotientAndRemainder(dividingBy: rows)
        return Float(
          (0..<columns).reduce(Double(bias[row])) {
            $0 + Double(weights[row * columns + $1]) * Double(x[vector * columns + $1])
          })
      }
      expectClose(y, expected, tolerance: 1e-5, "\(rows) x \(columns) times \(vectors)")
    }
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

  private func exactProbabilities(
    _ query: [Float], _ keys: [Float], _ length: Int, _ size: Int
  ) -> [Double] {
    let scores = (0..<length).map { key in
      (0..<size).reduce(0.25 * Double(key)) {
        $0 + 0.5 * Double(query[$1]) * Double(keys[key * size + $1])
      }
    }
    let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
    return weights.map { $0 / weights.reduce(0, +) }
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
