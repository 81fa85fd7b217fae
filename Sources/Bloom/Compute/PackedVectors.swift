import BloomKernels
import Foundation

/// Vectors as tile registers take them, for products with bf16 and 8-bit weights.
final class PackedVectors: @unchecked Sendable {
  // Sendable: written by the one who takes it from the store, then only read until it goes back.
  let bytes: UnsafeMutableRawPointer
  private let capacity: Int

  private init(capacity: Int) {
    bytes = .allocate(byteCount: capacity, alignment: 64)
    self.capacity = capacity
  }

  deinit { bytes.deallocate() }

  // As in TileStore, for the thread sanitizer's sake no `Mutex`.
  private static let lock = NSLock()
  private nonisolated(unsafe) static var idle: [PackedVectors] = []

  /// The bytes that x [tokens, columns] takes; nil where these kernels have no tiles for such a product,
  /// or none that are worth packing it.
  static func byteCount(_ kind: bloom_tiles, tokens: Int, columns: Int) -> Int? {
    guard tokens >= bloom_tile_vectors() else { return nil }
    let bytes = bloom_tile_bytes(kind, tokens, columns)
    return bytes > 0 ? bytes : nil
  }

  /// Lends x [tokens, columns], packed into that many bytes, to `body`.
  static func with<Result>(
    _ kind: bloom_tiles, _ x: UnsafePointer<Float>, tokens: Int, columns: Int, byteCount: Int,
    _ body: (PackedVectors) -> Result
  ) -> Result {
    let packed = take(byteCount)
    defer { lock.withLock { idle.append(packed) } }
    bloom_tile_pack(kind, x, columns, tokens, columns, packed.bytes)
    return body(packed)
  }

  private static func take(_ byteCount: Int) -> PackedVectors {
    if let known = lock.withLock({ idle.popLast() }), known.capacity >= byteCount { return known }
    return PackedVectors(capacity: byteCount)
  }
}
