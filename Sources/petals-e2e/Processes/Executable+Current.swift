import Foundation
import Subprocess

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

extension Executable {
  /// The file that this process runs from.
  static var current: String {
    Bundle.main.executablePath ?? CommandLine.arguments[0]
  }

  /// This program, to be started once more as a child.
  static var thisProgram: Executable { .path(FilePath(current)) }
}
