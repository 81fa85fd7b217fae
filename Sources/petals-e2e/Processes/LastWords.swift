import Subprocess
import Synchronization

/// Why a child ended, as it said itself on standard error; lines of a log are passed on.
final class LastWords: Sendable {
  private static let prefix = "petals-e2e: "
  private let words = Mutex("")

  /// The newest line that the command itself wrote, without its name; empty when there is none.
  var text: String { words.withLock { $0 } }

  func add(_ line: String) {
    if line.hasPrefix(Self.prefix) {
      words.withLock { $0 = String(line.dropFirst(Self.prefix.count)) }
    } else if !line.isEmpty {
      StandardStream.error.write(line: line)
    }
  }

  /// What is said of a child that never ran.
  func add(_ error: any Error) {
    words.withLock { $0 = "\(error)" }
  }

  func listen(to error: SubprocessOutputSequence) async {
    do {
      for try await line in error.strings() { add(line) }
    } catch {
      add("\(Self.prefix)cannot read standard error: \(error)")
    }
  }
}
