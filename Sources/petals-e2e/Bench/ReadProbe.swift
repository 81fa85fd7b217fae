import Foundation

/// How fast all cores together read memory: the limit of decoding.
enum ReadProbe {
  private static let bytes = 512 << 20

  /// Reads half a gibibyte once with every core, after once to warm up.
  /// - Returns: 10⁹ bytes a second.
  static func gigabytesPerSecond() async -> Double {
    let parts = ProcessInfo.processInfo.activeProcessorCount
    return await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(returning: measure(parts))
      }
    }
  }

  private static func measure(_ parts: Int) -> Double {
    let count = bytes / parts / MemoryLayout<SIMD8<UInt64>>.stride
    let buffers = (0..<parts).map { _ in
      UnsafeMutableBufferPointer<SIMD8<UInt64>>.allocate(capacity: count)
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    for buffer in buffers { buffer.initialize(repeating: .init(repeating: 1)) }
    nonisolated(unsafe) let shared = buffers
    let clock = ContinuousClock()
    let began = clock.now
    DispatchQueue.concurrentPerform(iterations: parts) { part in
      // Four sums, so that no addition waits for the one before.
      var sums = (SIMD8<UInt64>.zero, SIMD8<UInt64>.zero, SIMD8<UInt64>.zero, SIMD8<UInt64>.zero)
      let buffer = shared[part]
      for index in stride(from: 0, to: count & ~3, by: 4) {
        sums.0 &+= buffer[index]
        sums.1 &+= buffer[index + 1]
        sums.2 &+= buffer[index + 2]
        sums.3 &+= buffer[index + 3]
      }
      let sum = (sums.0 &+ sums.1 &+ sums.2 &+ sums.3).wrappedSum()
      precondition(sum == UInt64(count & ~3) * 8, "memory changed under the probe")
    }
    return Double(bytes) / ((clock.now - began) / .seconds(1)) / 1e9
  }
}
