import BloomKernels
import Foundation

/// Vectors as 16-bit integers, for products with 8-bit weights.
final class RoundedVectors: @unchecked Sendable {
  // Sendable: written by the one who takes it from the store, then only read until it goes back.
  /// [vectors, columns].
  let integers: UnsafeMutablePointer<Int16>
  /// [vectors, groups].
  let steps: UnsafeMutablePointer<Float>
  private let capacity: (integers: Int, steps: Int)

  private init(integers: Int, steps: Int) {
    self.integers = .allocate(capacity: integers)
    self.steps = .allocate(capacity: steps)
    capacity = (integers, steps)
  }

  deinit {
    integers.deallocate()
    steps.deallocate()
  }

  // As in TileStore, for the thread sanitizer's sake no `Mutex`.
  private static let lock = NSLock()
  private nonisolated(unsafe) static var idle: [RoundedVectors] = []

  /// Lends x [tokens, columns], rounded, to `body`.
  static func with<Result>(
    _ x: UnsafePointer<Float>, tokens: Int, columns: Int, _ body: (RoundedVectors) -> Result
  ) -> Result {
    let integers = tokens * columns
    let steps = tokens * QuantizedLayout.groups(columns)
    let rounded = take(integers, steps)
    defer { lock.withLock { idle.append(rounded) } }
    bloom_q8_round(x, tokens, columns, rounded.integers, rounded.steps)
    return body(rounded)
  }

  private static func take(_ integers: Int, _ steps: Int) -> RoundedVectors {
    if let known = lock.withLock({ idle.popLast() }), known.capacity.integers >= integers,
      known.capacity.steps >= steps
    {
      return known
    }
    return RoundedVectors(integers: integers, steps: steps)
  }
}
