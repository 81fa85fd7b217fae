import CoreFoundation
import EthereumPrimitives
import Foundation
import PlumiseTesting
import PlumiseWire

#if canImport(Glibc)
  import Glibc
#endif

/// The machine on which figures were measured.
struct Machine: Sendable {
  private let description: MachineDescription

  static var current: Machine { Machine(description: .current) }

  static var isDebugBuild: Bool { MachineDescription.isDebugBuild }

  var line: String { description.line }

  var json: JSON { description.json }

  /// What this process has computed so far on all cores, in microseconds: unlike a wall clock it
  /// does not count the time that other programs took.
  static var processorMicroseconds: Double {
    var time = timespec()
    let result = clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    precondition(result == 0, "the system does not count processor time")
    return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
  }

  /// Mebibytes that this process holds in memory, mapped files included (Linux); nil elsewhere.
  static var residentMebibytes: Double? {
    status("VmRSS").map { $0 / 1024 }
  }

  /// Gives memory that is allocated to nobody back to the system, where the C library keeps it (glibc).
  static func releaseFreeMemory() {
    #if canImport(Glibc)
      // Swift's module of the C library leaves it out: malloc_trim(3).
      typealias Trim = @convention(c) (Int) -> CInt
      guard let symbol = dlsym(nil, "malloc_trim") else { return }
      _ = unsafeBitCast(symbol, to: Trim.self)(0)
    #endif
  }

  /// Mebibytes of that which are the process's own, not a file's.
  static var anonymousMebibytes: Double? {
    status("RssAnon").map { $0 / 1024 }
  }

  /// Mebibytes that another process holds in memory (Linux); nil elsewhere.
  static func residentMebibytes(of process: Int32) -> Double? {
    status("VmRSS", of: "\(process)").map { $0 / 1024 }
  }

  /// A size of /proc/self/status, or another process's, in KiB.
  private static func status(_ name: String, of process: String = "self") -> Double? {
    MachineDescription.field("/proc/\(process)/status", name)?.split(separator: " ").first.flatMap {
      Double($0)
    }
  }
}

/// Measures how fast all cores together read memory: the limit of decoding.
enum MemoryBandwidth {
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

/// Measures how many signers one core recovers: the limit of an oracle and of a chain, a core each.
enum SignerRecoveryRate {
  private static let count = 4_000

  /// Recoveries a second, with libsecp256k1 and nothing around it.
  static func row(_ group: String, _ runs: Int) async throws -> BenchRow {
    var rates: [Double] = []
    for _ in 0..<runs { rates.append(try await measure()) }
    return row(group, rates)
  }

  /// The row of rates that were measured.
  static func row(_ group: String, _ rates: [Double]) -> BenchRow {
    BenchRow(group, "limit: signers recovered by one core", "a second", rates)
  }

  /// Recoveries a second, once.
  static func measure() async throws -> Double {
    let hash = Keccak256.hash("petals")
    let signature = SecretKey.random().sign(hash)
    return try await Rate.measure(count) {
      for _ in 0..<count { _ = try signature.recoverPublicKey(hash) }
    }
  }
}

/// Measures how often work is done in a second.
enum Rate {
  /// - Returns: how many times a second.
  static func measure(_ count: Int, _ work: () async throws -> Void) async throws -> Double {
    let clock = ContinuousClock()
    let began = clock.now
    try await work()
    return Double(count) / ((clock.now - began) / .seconds(1))
  }
}
