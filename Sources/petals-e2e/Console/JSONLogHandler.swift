import ArgumentParser
import Foundation
import Logging
import PlumiseWire

/// Writes each line of a log to stderr as one JSON object: when, what, and the details by name.
struct JSONLogHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  let label: String

  /// A logger that writes lines from a level on.
  static func logger(_ label: String, from level: Logger.Level) -> Logger {
    Logger(label: label) { JSONLogHandler(logLevel: level, label: $0) }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var object: JSONObject = [
      "time": .string(Date().ISO8601Format(.init(includingFractionalSeconds: true))),
      "level": .string(event.level.rawValue), "service": .string(label),
      "message": .string("\(event.message)"),
    ]
    for (name, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 })
      .sorted(by: { $0.key < $1.key })
    {
      object[name] = .string("\(value)")
    }
    StandardStream.error.write(line: JSON.object(object).text)
  }
}

/// A log level on the command line.
enum LogLevelArgument: String, CaseIterable, ExpressibleByArgument {
  case debug, info, notice, warning, error

  var level: Logger.Level {
    switch self {
    case .debug: .debug
    case .info: .info
    case .notice: .notice
    case .warning: .warning
    case .error: .error
    }
  }
}
