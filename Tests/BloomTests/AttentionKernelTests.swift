import Bloom
import BloomKernels
import Foundation
import TestSupport
import Testing

/// Attention over keys and values of either type, by every instruction set that this machine runs, against loops
/// in double precision over what is stored.
@Suite("Attention kernels")
struct AttentionKernelTests {
  static let elements = [BLOOM_F32, BLOOM_F16]

  @Test("Attention of one query", arguments: InstructionSet.all, [1, 2, 7, 8, 9, 30, 1000])
  func attention(_ set: InstructionSet, _ length: Int) {
    for element in Self.elements {
      for size in [1, 8, 16, 19, 64, 80] {
        let head = StoredHead(element, length: length, size: size)
        let query = numbers(size)
        var scores = StoredHead.scores(length)
        var y = [Float](repeating: 9, count: size)
        set.kernels.attend(
          element, query, head.keys, head.values, length, size, 0.5, 0.25, &scores, &y)
        expectClose(y, head.context(query, length), tolerance: 1e-5, "\(element) of \(size)")
      }
    }
  }

  @Test(
    "Attention of several queries is that of each alone", arguments: InstructionSet.all,
    [1, 3, 4, 9, 50])
  func attentionRows(_ set: InstructionSet, _ rows: Int) {
    for element in Self.elements {
      for (size, first) in [(1, 0), (8, 5), (16, 33), (19, 2), (64, 7), (80, 0)] {
        let length = first + rows
        let head = StoredHead(element, length: length, size: size)
        let queries = numbers(rows * (size + 2))
        var scores = [Float](repeating: 9, count: rows * length)
        var y = [Float](repeating: 9, count: rows * (size + 3))
        set.kernels.attend_rows(
          element, queries, size + 2, rows, head.keys, head.values, first, size, 0.5, 0.25,
          &scores, &y, size + 3)
        var found: [Float] = []
        var expected: [Float] = []
        for row in 0..<rows {
          let query = Array(queries[row * (size + 2)..<row * (size + 2) + size])
          expected += head.context(query, first + row + 1)
          let own = y[row * (size + 3)..<(row + 1) * (size + 3)]
          found += own.prefix(size)
          #expect(own.dropFirst(size).allSatisfy { $0 == 9 })
        }
        expectClose(
          found, expected, tolerance: 1e-5, "\(element): \(rows) queries of \(size) from \(first)")
      }
    }
  }

  @Test("A key that is far behind the best counts for nothing", arguments: InstructionSet.all)
  func negligible(_ set: InstructionSet) {
    let length = 300
    for element in Self.elements {
      // Zeros lie alike in panels.
      let keys = ProductTests.store(StoredHead.scores(length), element)
      let values = ProductTests.store([Float](repeating: 1, count: length), element)
      var scores = StoredHead.scores(length)
      var y: [Float] = [9]
      // Slope 1: the weight of a key is e to minus its distance.
      set.kernels.attend(element, [0], keys, values, length, 1, 1, 1, &scores, &y)
      expectClose(y, [1], tolerance: 1e-6, "context")
      #expect(scores[..<(length - 62)].allSatisfy { $0 == 0 })
      #expect(scores[(length - 60)..<length].allSatisfy { $0 > 0 && $0.isNormal })
    }
  }

  @Test("The causal softmax hides later keys", arguments: InstructionSet.all, [0, 1, 5])
  func causalSoftmax(_ set: InstructionSet, _ first: Int) {
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
    set.kernels.causal_softmax(&scores, rows, length, first, 0.5, 0.25)
    for row in 0..<rows {
      let visible = first + row + 1
      let expected = StoredHead.probabilities(
        Array(queries[row * size..<(row + 1) * size]), keys, visible, size)
      let found = scores[row * length..<(row + 1) * length]
      expectClose(
        found.prefix(visible), expected.map(Float.init), tolerance: 1e-5, "row \(row)")
      #expect(found.dropFirst(visible).allSatisfy { $0 == 0 })
    }
  }

  @Test(
    "Numbers are stored in 16 bits as everywhere, with the sum of the squares of what was stored",
    arguments: InstructionSet.all, [1, 7, 8, 15, 16, 17, 40])
  func store(_ set: InstructionSet, _ count: Int) {
    for scale in [1e-8, 1e-5, 0.01, 1, 3000, 65504] as [Float] {
      var x = numbers(count, scale: scale)
      x[count / 2] = 1 + 0x1p-11
      let expected = ProductTests.store(x, BLOOM_F16)
      let squares = ProductTests.load(expected, BLOOM_F16, count)
        .reduce(0.0) { $0 + Double($1) * Double($1) }
      for step in [1, Int(BLOOM_KEY_PANEL)] {
        var stored = [UInt16](repeating: 9, count: count * step + 1)
        let sum = set.kernels.store_f16(x, count, step, &stored)
        let own = stride(from: 0, to: count * step, by: step).map { stored[$0] }
        #expect(own.withUnsafeBytes { Array($0) } == expected)
        #expect(
          stored.indices.allSatisfy { stored[$0] == 9 || $0 % step == 0 && $0 < count * step })
        expectClose([sum], [Float(squares)], tolerance: 1e-5, "\(count) of \(scale)")
      }
    }
  }

  @Test(
    "The sum is infinite where a number does not fit 16 bits, and none where one is none",
    arguments: InstructionSet.all, [1, 8, 16, 19])
  func storeRange(_ set: InstructionSet, _ count: Int) {
    for place in Set([0, count - 1]) {
      func sum(_ value: Float) -> Float {
        var x = [Float](repeating: -2, count: count)
        x[place] = value
        var stored = [UInt16](repeating: 0, count: count)
        return set.kernels.store_f16(x, count, 1, &stored)
      }
      #expect(sum(65519) == Float(65504 * 65504 + 4 * (count - 1)))
      #expect(sum(-65520) == .infinity && sum(1e30) == .infinity && sum(-.infinity) == .infinity)
      #expect(sum(.nan).isNaN)
    }
  }
}
