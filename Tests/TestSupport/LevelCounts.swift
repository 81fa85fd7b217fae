package import Logging
import Synchronization

/// How many lines of each level were logged.
package final class LevelCounts: Sendable {
  private let counts = Mutex<[Logger.Level: Int]>([:])
  package func add(_ level: Logger.Level) { counts.withLock { $0[level, default: 0] += 1 } }
  package func count(of level: Logger.Level) -> Int { counts.withLock { $0[level] ?? 0 } }
}

extension Logger {
  /// A logger that counts its lines by level.
  package static func recording() -> (Logger, LevelCounts) {
    struct Handler: LogHandler {
      let levels: LevelCounts
      var logLevel = Logger.Level.trace
      var metadata: Logger.Metadata = [:]
      subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
      }
      func log(event: LogEvent) { levels.add(event.level) }
    }
    let levels = LevelCounts()
    return (Logger(label: "recording") { _ in Handler(levels: levels) }, levels)
  }
}
