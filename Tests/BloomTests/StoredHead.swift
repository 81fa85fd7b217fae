import BloomKernels
import Foundation

/// Keys and values of one head, as they are stored and as floats.
struct StoredHead {
  let element: bloom_element
  let (keys, values): ([UInt8], [UInt8])
  let (exactKeys, exactValues): ([Float], [Float])

  init(_ element: bloom_element, length: Int, size: Int, keyScale: Float = 3) {
    self.element = element
    let rows = ProductTests.store(numbers(length * size, seed: 2, scale: keyScale), element)
    keys = element == BLOOM_F32 ? rows : Self.turned(rows, length, size)
    values = ProductTests.store(numbers(length * size, seed: 3), element)
    exactKeys = ProductTests.load(rows, element, length * size)
    exactValues = ProductTests.load(values, element, length * size)
  }

  /// Keys of 16 bits in panels; what lies behind the last one is no number.
  private static func turned(_ rows: [UInt8], _ length: Int, _ size: Int) -> [UInt8] {
    let panel = Int(BLOOM_KEY_PANEL)
    var keys = [UInt8](repeating: 0xFF, count: (length + panel - 1) / panel * panel * size * 2)
    for key in 0..<length {
      for column in 0..<size {
        let target = 2 * (key / panel * panel * size + column * panel + key % panel)
        let source = 2 * (key * size + column)
        keys[target] = rows[source]
        keys[target + 1] = rows[source + 1]
      }
    }
    return keys
  }

  /// Room for the scores of one query.
  static func scores(_ length: Int) -> [Float] {
    let panel = Int(BLOOM_KEY_PANEL)
    return [Float](repeating: 0, count: (length + panel - 1) / panel * panel)
  }

  /// What a query gathers of the first keys.
  func context(_ query: [Float], _ length: Int) -> [Float] {
    let size = query.count
    let probabilities = Self.probabilities(query, exactKeys, length, size)
    return (0..<size).map { column in
      Float(
        (0..<length).reduce(0.0) {
          $0 + probabilities[$1] * Double(exactValues[$1 * size + column])
        })
    }
  }

  /// What the softmax makes of a query and keys with a scale of 0.5 and a slope of 0.25.
  static func probabilities(
    _ query: [Float], _ keys: [Float], _ length: Int, _ size: Int
  ) -> [Double] {
    let scores = (0..<length).map { key in
      (0..<size).reduce(0.25 * Double(key)) {
        $0 + 0.5 * Double(query[$1]) * Double(keys[key * size + $1])
      }
    }
    let largest = scores.max() ?? 0
    let weights = scores.map { exp($0 - largest) }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }
}
