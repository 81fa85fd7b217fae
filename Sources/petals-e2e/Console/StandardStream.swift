import Foundation

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

  /// Whether a person is looking: progress is drawn on a terminal only.
  var isTerminal: Bool { isatty(descriptor) == 1 }

  func write(line: String) { write(line + "\n") }

  func write(_ text: String) {
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
