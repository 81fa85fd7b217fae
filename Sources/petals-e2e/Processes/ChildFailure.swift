import Foundation
import Subprocess

/// A service that ended without having been asked to.
struct ChildFailure: Error, Sendable, CustomStringConvertible {
  let name: String
  let ending: ServiceProcess.Ending

  var description: String {
    let words = ending.lastWords.isEmpty ? "" : ": \(ending.lastWords)"
    switch ending.status {
    case .signaled(let number): return "\(name) was killed by signal \(number)\(words)"
    case .exited(let code): return "\(name) ended with exit code \(code)\(words)"
    case nil: return "\(name) could not be started\(words)"
    }
  }

  /// A child that refuses its input does so because of ours: the same exit status for both.
  var commandFailure: CommandFailure {
    if case .exited(ExitStatus.wrongInput.rawValue) = ending.status, !ending.lastWords.isEmpty {
      return .wrongInput(ending.lastWords)
    }
    return .failed(description)
  }
}
