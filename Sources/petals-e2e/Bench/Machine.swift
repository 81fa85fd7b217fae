import Bloom
import Foundation
import PlumiseWire

/// Where figures were taken: without it they mean nothing.
struct Machine: Sendable {
  let processor: String
  let cores: Int
  let kernels: String
  let threads: Int
  let blas: String

  static var current: Machine {
    Machine(
      processor: processorName, cores: ProcessInfo.processInfo.activeProcessorCount,
      kernels: Arithmetic.instructionSet, threads: Arithmetic.threads, blas: Arithmetic.blas)
  }

  static var isDebugBuild: Bool {
    #if DEBUG
      true
    #else
      false
    #endif
  }

  var line: String {
    "\(processor), \(cores) cores; \(threads) threads, kernels: \(kernels), BLAS: \(blas)"
  }

  var json: JSON {
    [
      "processor": .string(processor), "cores": .integer(cores),
      "threads": .integer(threads), "kernels": .string(kernels), "blas": .string(blas),
      "debug_build": .bool(Self.isDebugBuild),
    ]
  }

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
    field("/proc/\(process)/status", name)?.split(separator: " ").first.flatMap { Double($0) }
  }

  private static var processorName: String {
    field("/proc/cpuinfo", "model name") ?? "unknown processor"
  }

  /// What stands after a name and a colon; nil where there is no such file, as on macOS.
  private static func field(_ path: String, _ name: String) -> String? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
      let colon = line.firstIndex(of: ":")
    else { return nil }
    return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
  }
}
