import Foundation

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
