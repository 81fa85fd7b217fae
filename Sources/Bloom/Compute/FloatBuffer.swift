internal import BloomKernels

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
