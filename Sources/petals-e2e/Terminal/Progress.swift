import Foundation
import Synchronization

/// How far a piece of work is, and how long the rest takes: a bar on a terminal, a line now and
/// then elsewhere.
final class ProgressBar: Sendable {
  private static let cells = 24
  /// Without a terminal a line is printed once so much time has passed since the last one.
  private static let lineInterval = Duration.seconds(10)

  private struct State {
    var lastPercent = -1
    var lastLine: Duration = .zero
  }

  private let title: String
  private let quiet: Bool
  private let section = LiveLines.standardError.section()
  private let state = Mutex(State())
  private let clock = ContinuousClock()
  private let start: ContinuousClock.Instant

  init(_ title: String, quiet: Bool) {
    self.title = title.singleLine
    self.quiet = quiet
    start = clock.now
  }

  /// Shows how far the work is.
  /// - Parameter fraction: 0 (nothing done) to 1 (all done).
  func update(_ fraction: Double) {
    guard !quiet, fraction.isFinite else { return }
    let share = min(1, max(0, fraction))
    let percent = Int(100 * share)
    let passed = clock.now - start
    let isLive = LiveLines.standardError.isDrawn
    let isDue = state.withLock { state in
      if isLive {
        defer { state.lastPercent = percent }
        return percent != state.lastPercent
      }
      guard passed - state.lastLine >= Self.lineInterval else { return false }
      state.lastLine = passed
      return true
    }
    guard isDue else { return }
    let rest = TimeLeft.text(done: share, passed: passed)
    if isLive {
      let filled = Self.cells * percent / 100
      let empty = Self.cells - filled
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: empty)
      section.show(["\(title) \(bar) \(percent) %\(rest.map { ", \($0)" } ?? "")"])
    } else {
      StandardStream.error.write(line: "\(title): \(percent) %\(rest.map { ", \($0)" } ?? "")")
    }
  }

  /// Takes the bar away, for good.
  func finish() { section.end() }
}

/// How long work goes on, for people.
enum TimeLeft {
  /// `12 s left`, from what was done in the time that has passed; nil while that is too little.
  static func text(done share: Double, passed: Duration) -> String? {
    let seconds = passed / .seconds(1)
    guard share > 0.005, share < 1, seconds >= 0.3 else { return nil }
    return text(seconds: seconds * (1 - share) / share) + " left"
  }

  /// A length of time: `40 s`, `3 min`, `2 h 5 min`.
  static func text(seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "–" }
    if seconds < 99.5 { return "\(Int(seconds.rounded())) s" }
    let minutes = Int((seconds / 60).rounded())
    if minutes < 100 { return "\(minutes) min" }
    return "\(minutes / 60) h \(minutes % 60) min"
  }
}

/// Shows on a terminal that something goes on, and for how long already.
///
/// For work of unknown length: the line appears after a while, and only where lines are drawn
/// again.
struct ActivityLine: Sendable {
  private static let silence = Duration.milliseconds(500)
  private static let interval = Duration.milliseconds(200)

  /// Runs work, and shows its text with the time that has passed.
  static func showing<R>(
    _ text: String, quiet: Bool, _ work: () async throws -> R
  ) async rethrows -> R {
    guard !quiet, LiveLines.standardError.isDrawn else { return try await work() }
    let section = LiveLines.standardError.section()
    let clock = ContinuousClock()
    let start = clock.now
    let ticking = Task {
      try await clock.sleep(for: silence)
      while true {
        let passed = (clock.now - start) / .seconds(1)
        section.show(["· \(text)  \(ShortNumber.text(passed, places: 1)) s"])
        try await clock.sleep(for: interval)
      }
    }
    defer {
      ticking.cancel()
      section.end()
    }
    return try await work()
  }
}
