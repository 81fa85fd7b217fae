import ArgumentParser
import Foundation
import Logging
import PlumiseWire

/// The options of every subcommand that prints: the format of its results, and its verbosity.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print results as JSON on standard output, everything else on standard error.")
  var json = false

  @Flag(help: "Print results and errors only.")
  var quiet = false

  @Option(
    help: """
      Colours: auto (on a terminal, unless NO_COLOR is set), always or never; JSON has none.
      """)
  var color = ColorChoice.auto

  /// The colours of text that `result` and `note` print.
  var style: TerminalStyle { TerminalStyle(color, on: json ? .error : .output) }

  /// Prints a result, in the form that was asked for.
  func result(_ object: @autoclosure () -> JSON, text: @autoclosure () -> String) {
    StandardStream.output.write(line: json ? object().text : text())
  }

  /// Prints a message that is no result.
  ///
  /// It belongs to the flow of text; with `--json`, standard output is left to the results.
  func note(_ text: @autoclosure () -> String) {
    if quiet { return }
    (json ? StandardStream.error : .output).write(line: text())
  }
}

/// Standard output or standard error, written line by line without a buffer.
///
/// A program at the other end of a pipe sees each line at once, and lines of concurrent tasks do
/// not mix because each is one write.
enum StandardStream: Sendable {
  case output
  case error

  private var descriptor: Int32 {
    switch self {
    case .output: STDOUT_FILENO
    case .error: STDERR_FILENO
    }
  }

  /// Whether it is a terminal; progress is drawn on a terminal only.
  var isTerminal: Bool { isatty(descriptor) == 1 }

  /// The terminal's width and height; 80 and 24 where it has none.
  var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 else { return (80, 24) }
    return (size.ws_col > 0 ? Int(size.ws_col) : 80, size.ws_row > 0 ? Int(size.ws_row) : 24)
  }

  func write(line: String) { write(line + "\n") }

  /// Prints text, above the lines that are drawn again; on a terminal without controls.
  func write(_ text: String) {
    let shown = isTerminal ? text.forTerminal : text
    LiveLines.standardError.aside { writeDirectly(shown) }
  }

  /// Prints text of a model: on a terminal without controls but line feeds and tabulators, into a
  /// file or a pipe as it is.
  func write(foreign text: String) {
    write(isTerminal ? text.replacingControls(keeping: ["\n", "\t"]) : text)
  }

  /// Prints text wherever the cursor is, with all that it holds.
  func writeDirectly(_ text: String) {
    var bytes = ArraySlice(Array(text.utf8))
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      // Nobody reads any more; there is nowhere left to say so.
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}

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

/// Writes a library's log to standard error, a line for each message, above lines that are drawn
/// again.
///
/// It has no controls, since a message may hold what a peer sent.
struct TextLogHandler: LogHandler {
  var logLevel = Logger.Level.warning
  var metadata: Logger.Metadata = [:]
  let label: String

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let details = metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 })
      .sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    let line = "\(event.level.rawValue) \(label):\(details) \(event.message)"
    StandardStream.error.write(line: "\(Date().ISO8601Format()) \(line)".singleLine)
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

extension JSON {
  /// Seconds, to the tenth of a millisecond.
  static func seconds(_ duration: Duration) -> JSON {
    .decimal(duration / .seconds(1), places: 4)
  }

  /// Milliseconds, to the microsecond.
  static func milliseconds(_ duration: Duration) -> JSON {
    .decimal(duration / .milliseconds(1), places: 3)
  }
}
