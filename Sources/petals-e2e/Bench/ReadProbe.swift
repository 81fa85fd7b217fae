import Foundation

/// How fast all cores together read memory: the limit of decoding.
enum ReadProbe {
  private static let bytes = 512 << 20

  /// Reads half a gibibyte with every core, thrice, after it was written.
  /// - Returns: 10⁹ bytes a second, the median.
  static func gigabytesPerSecond() async -> Double {
    let parts = ProcessInfo.processInfo.activeProcessorCount
    return await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(returning: measure(parts))
      }
    }
  }

  private static func measure(_ parts: Int) -> Double {
    let count = bytes / parts / MemoryLayout<SIMD8<UInt64>>.stride / 4
    let buffers = (0..<parts).map { _ in
      UnsafeMutableBufferPointer<SIMD8<UInt64>>.allocate(capacity: 4 * count)
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    for buffer in buffers { buffer.initialize(repeating: .init(repeating: 1)) }
    nonisolated(unsafe) let shared = buffers
    let clock = ContinuousClock()
    let rates = (0..<3).map { _ in
      let began = clock.now
      DispatchQueue.concurrentPerform(iterations: parts) { read(shared[$0], count) }
      return Double(4 * count * parts * 64) / ((clock.now - began) / .seconds(1)) / 1e9
    }
    return rates.sorted()[1]
  }

  /// Four stretches at once: a processor fetches several ahead, and reads them faster than one.
  private static func read(_ buffer: UnsafeMutableBufferPointer<SIMD8<UInt64>>, _ count: Int) {
    var sums = (SIMD8<UInt64>.zero, SIMD8<UInt64>.zero, SIMD8<UInt64>.zero, SIMD8<UInt64>.zero)
    for index in 0..<count {
      sums.0 &+= buffer[index]
      sums.1 &+= buffer[index + count]
      sums.2 &+= buffer[index + 2 * count]
      sums.3 &+= buffer[index + 3 * count]
    }
    let sum = (sums.0 &+ sums.1 &+ sums.2 &+ sums.3).wrappedSum()
    precondition(sum == UInt64(count) * 32, "memory changed under the probe")
  }
}
