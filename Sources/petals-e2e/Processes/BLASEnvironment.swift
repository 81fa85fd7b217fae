import Bloom
import Foundation
import Subprocess

/// What OpenBLAS must find in the environment before `main`, so that only a parent can set it.
///
/// One thread, because the nodes' own pool splits the work; and its AVX-512 kernels, which are
/// about twice as fast, where the processor has all they need and OpenBLAS is too old to know it.
enum BLASEnvironment {
  private static let neededFlags: Set<Substring> = ["avx512f", "avx512bw", "avx512dq", "avx512vl"]

  /// The variables that the user has not set, or to nothing.
  static var missing: [String: String] {
    let environment = ProcessInfo.processInfo.environment
    var values: [String: String] = [:]
    func isMissing(_ value: String?) -> Bool { value?.isEmpty ?? true }
    if isMissing(environment["OPENBLAS_NUM_THREADS"]) { values["OPENBLAS_NUM_THREADS"] = "1" }
    if isMissing(environment["OPENBLAS_CORETYPE"]) && neededFlags.isSubset(of: processorFlags) {
      values["OPENBLAS_CORETYPE"] = "SkylakeX"
    }
    return values
  }

  /// The environment of this process and what is missing in it.
  static var forChildren: Environment {
    Environment.inherit.updating(
      Dictionary(
        uniqueKeysWithValues: missing.map {
          (Environment.Key(stringLiteral: $0.key), Optional($0.value))
        }))
  }

  /// Starts this program anew, once, with what is missing.
  ///
  /// Only where this process computes with the BLAS, and for its kernels: the number of threads can still be
  /// set by a program that runs. Returns when there was nothing to do, or when it cannot be done: the
  /// arithmetic is then right and slower.
  static func restartIfNeeded() {
    guard Arithmetic.usesBLAS else { return }
    let values = missing
    guard values["OPENBLAS_CORETYPE"] != nil else { return }
    for (name, value) in values { setenv(name, value, 1) }
    var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
    execv(Executable.current, &arguments)
  }

  private static var processorFlags: Set<Substring> {
    // Without the file (on macOS, say) nothing is known, and nothing is set.
    guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
    else { return [] }
    return Set(line.split(separator: " "))
  }
}
