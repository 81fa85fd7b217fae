internal import BloomKernels
import Foundation

/// A fixed run of floats outside the array world: shared between threads without copies or checks.
final class FloatBuffer: @unchecked Sendable {
  // Sendable: whoever writes to a buffer owns it for that time (a weight is written once, before it
  // is shared; scratch belongs to one pass; a cache is claimed by one pass at a time).
  let pointer: UnsafeMutablePointer<Float>
  let count: Int

  /// Uninitialised memory, aligned to a cache line.
  init(count: Int) {
    self.count = count
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    pointer = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
      .bindMemory(to: Float.self, capacity: max(count, 1))
  }

  /// A small stored tensor, converted.
  convenience init(_ tensor: StoredTensor) {
    self.init(count: tensor.count)
    tensor.copy(0..<count, into: pointer)
  }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}

/// Vectors as 16-bit integers, for products with quantized weights.
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

/// Scratch tiles in which half-precision weights become floats for a matrix product.
enum TileStore {
  /// Floats in a tile: one MiB, so that a tile stays in a core's cache between being written and read.
  static let capacity = 1 << 18

  // Every compute thread comes here in the same microsecond. The thread sanitizer follows this lock,
  // while it takes a contended `Mutex` for none.
  private static let lock = NSLock()
  private nonisolated(unsafe) static var idle: [FloatBuffer] = []

  static func withTile<Result>(_ body: (FloatBuffer) -> Result) -> Result {
    let tile = lock.withLock { idle.popLast() } ?? FloatBuffer(count: capacity)
    defer { lock.withLock { idle.append(tile) } }
    return body(tile)
  }
}
