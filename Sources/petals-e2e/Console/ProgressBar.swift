import Foundation
import Synchronization

/// A bar on standard error that is drawn over itself; silent unless a terminal is looking.
final class ProgressBar: Sendable {
  private static let cells = 32

  private let title: String
  private let isDrawn: Bool
  private let lastPercent = Mutex(-1)

  init(_ title: String, quiet: Bool) {
    self.title = title
    isDrawn = !quiet && StandardStream.error.isTerminal
  }

  /// Shows how far the work is.
  /// - Parameter fraction: 0 (nothing done) to 1 (all done).
  func update(_ fraction: Double) {
    guard isDrawn, fraction.isFinite else { return }
    let percent = Int(100 * min(1, max(0, fraction)))
    let isNew = lastPercent.withLock { last in
      defer { last = percent }
      return percent != last
    }
    guard isNew else { return }
    let filled = Self.cells * percent / 100
    let bar =
      String(repeating: "█", count: filled) + String(repeating: "░", count: Self.cells - filled)
    StandardStream.error.write("\r\(title) \(bar) \(percent) %")
  }

  /// Wipes the bar, so that what follows starts on a clean line.
  func finish() {
    if isDrawn { StandardStream.error.write("\r\u{1B}[2K") }
  }
}
