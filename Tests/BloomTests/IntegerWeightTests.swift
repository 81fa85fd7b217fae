import BloomKernels
import Testing

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

  @Test("What is no number stays none", arguments: InstructionSet.all, [Float.nan, .infinity])
  func notFinite(_ set: InstructionSet, _ value: Float) {
    var integers = [Int16](repeating: 9, count: 4)
    var step: Float = 9
    set.kernels.q8_round([1, value, 2, 3], 1, 4, &integers, &step)
    var y: Float = 0
    set.kernels.q8_matrix_vectors([1, 1, 1, 1], [1], 1, 4, integers, &step, 1, nil, &y, 1)
    #expect(y.isNaN)
  }
}
