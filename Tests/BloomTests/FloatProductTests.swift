import Bloom
import TestSupport
import Testing

@Suite("Products of float matrices")
struct FloatProductTests {
  struct Layout: CustomTestStringConvertible {
    let transposesFirst: Bool
    let transposesSecond: Bool
    let adds: Bool
    /// Elements between the end of a row and the next one.
    let gap: Int

    static let all = [false, true].flatMap { first in
      [false, true].flatMap { second in
        [false, true].flatMap { adds in
          [0, 3].map {
            Layout(transposesFirst: first, transposesSecond: second, adds: adds, gap: $0)
          }
        }
      }
    }

    var testDescription: String {
      "\(transposesFirst ? "aᵀ" : "a") \(transposesSecond ? "bᵀ" : "b")\(adds ? " + c" : "") gap \(gap)"
    }
  }

  private struct Matrix {
    let values: [Float]
    let ld: Int

    /// A matrix as it is stored.
    init(rows: Int, columns: Int, gap: Int, seed: UInt64) {
      ld = columns + gap
      values = numbers(rows * ld, seed: seed)
    }

    func element(_ row: Int, _ column: Int, transposed: Bool) -> Double {
      Double(transposed ? values[column * ld + row] : values[row * ld + column])
    }
  }

  @Test(
    "They are those of loops in double precision, whoever makes them and however they lie",
    arguments: Layout.all, [(1, 1, 1), (5, 3, 17), (19, 40, 33), (60, 70, 96)])
  func layouts(_ layout: Layout, _ size: (m: Int, n: Int, k: Int)) {
    let (m, n, k) = size
    let (first, second) = (layout.transposesFirst, layout.transposesSecond)
    let a = Matrix(rows: first ? k : m, columns: first ? m : k, gap: layout.gap, seed: 1)
    let b = Matrix(rows: second ? n : k, columns: second ? k : n, gap: layout.gap, seed: 2)
    let c = Matrix(rows: m, columns: n, gap: layout.gap, seed: 3)
    var expected = c.values
    for row in 0..<m {
      for column in 0..<n {
        let start = layout.adds ? c.element(row, column, transposed: false) : 0
        expected[row * c.ld + column] = Float(
          (0..<k).reduce(start) {
            $0 + a.element(row, $1, transposed: first) * b.element($1, column, transposed: second)
          })
      }
    }
    for byBLAS in [false, true] {
      var found = c.values
      FloatProduct.multiply(
        m, n, k, a.values, a.ld, transposingFirst: first, b.values, b.ld, transposing: second,
        adding: layout.adds, &found, c.ld, byBLAS: byBLAS)
      // What lies between the rows is left alone.
      expectClose(found, expected, tolerance: 1e-5, byBLAS ? "BLAS" : "kernels")
    }
  }
}
