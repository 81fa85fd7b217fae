import Foundation
import Subprocess

/// Ends a child of this program, or of its tests, when its parent is gone, however that ended.
///
/// The child's standard input is a pipe that only its parent holds. Its end is handled as a hang-up
/// (SIGHUP): services and the whole network stop in their order, everything else ends at once.
package enum ParentLifeline {
  /// The variable that says that standard input is such a pipe.
  ///
  /// The child's own children do not inherit it: their standard input is another one.
  package static let variable = "PETALS_E2E_ENDS_WITH_STDIN"

  /// What a child finds in its environment whose standard input is such a pipe.
  static var environment: [Environment.Key: String?] {
    [Environment.Key(stringLiteral: variable): "1"]
  }

  /// Begins to watch standard input, if the parent asked for it.
  ///
  /// Called before anything else runs: it changes the environment.
  static func watchIfAsked() {
    guard ProcessInfo.processInfo.environment[variable] != nil else { return }
    unsetenv(variable)
    // A parent that ignores hang-ups (nohup) hands that down, but is itself what is waited for.
    signal(SIGHUP, SIG_DFL)
    Thread.detachNewThread {
      var byte: UInt8 = 0
      while true {
        let count = read(STDIN_FILENO, &byte, 1)
        if count > 0 || (count < 0 && errno == EINTR) { continue }
        kill(getpid(), SIGHUP)
        return
      }
    }
  }
}
