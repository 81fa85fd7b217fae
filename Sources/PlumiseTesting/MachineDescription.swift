import Bloom
import Foundation
package import JSONValues

/// The machine on which a network ran or figures were measured.
package struct MachineDescription: Sendable {
  /// The processor's name, as the system says it.
  package let processor: String
  /// How many cores are active.
  package let cores: Int
  /// The instruction set of the model's kernels.
  package let kernels: String
  /// How many threads compute.
  package let threads: Int
  /// The BLAS library.
  package let blas: String

  /// This machine.
  package static var current: MachineDescription {
    MachineDescription(
      processor: field("/proc/cpuinfo", "model name") ?? "unknown processor",
      cores: ProcessInfo.processInfo.activeProcessorCount, kernels: Arithmetic.instructionSet,
      threads: Arithmetic.threads, blas: Arithmetic.blas)
  }

  /// Whether this program was built without optimisation.
  package static var isDebugBuild: Bool {
    #if DEBUG
      true
    #else
      false
    #endif
  }

  /// The machine in a line.
  package var line: String {
    "\(processor), \(cores) cores; \(threads) threads, kernels: \(kernels), BLAS: \(blas)"
  }

  /// As it stands in `report.json`.
  package var json: JSON {
    [
      "processor": .string(processor), "cores": .integer(cores),
      "threads": .integer(threads), "kernels": .string(kernels), "blas": .string(blas),
      "debug_build": .bool(Self.isDebugBuild),
    ]
  }

  /// What stands behind a name and a colon in a file; nil where there is no such file, as on macOS.
  package static func field(_ path: String, _ name: String) -> String? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
      let colon = line.firstIndex(of: ":")
    else { return nil }
    return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
  }
}
