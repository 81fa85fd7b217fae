package import Logging
import Synchronization

/// The lines that were logged: the message, and each detail as `name=value`.
package final class LogLines: Sendable {
  private let lines = Mutex<[String]>([])

  /// A logger whose lines are kept.
  package static func recording() -> (Logger, LogLines) {
    struct Handler: LogHandler {
      let lines: LogLines
      var logLevel = Logger.Level.trace
      var metadata: Logger.Metadata = [:]
      subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
      }
      func log(event: LogEvent) {
        let details = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted()
        let line = (["\(event.message)"] + details).joined(separator: " ")
        lines.lines.withLock { $0.append(line) }
      }
    }
    let lines = LogLines()
    return (Logger(label: "recording") { _ in Handler(lines: lines) }, lines)
  }

  /// All lines by now.
  package var all: [String] { lines.withLock { $0 } }

  /// How many lines have some words by now.
  package func count(of words: String) -> Int { all.count { $0.contains(words) } }
}
