import Foundation
import Subprocess

extension Executable {
  /// The file that this process runs from.
  static var current: String {
    Bundle.main.executablePath ?? CommandLine.arguments[0]
  }
}
