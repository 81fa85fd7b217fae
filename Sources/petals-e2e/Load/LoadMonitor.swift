import Foundation
import NetworkWatch
import Synchronization

/// Shows how a load goes while it goes: a table on a terminal, a line now and then elsewhere, and
/// events for the page of a network.
final class LoadMonitor: Sendable {
  /// Between two drawings, and what "now" is in their figures.
  private static let interval = Duration.seconds(1)
  /// Between two lines where nothing is drawn again.
  private static let lineInterval = 10

  /// What was counted of one target.
  private struct Counts {
    var sent = 0
    var failed = 0
    var tokens = 0
    var all = LatencyHistogram()
    /// Since the last drawing.
    var latest = LatencyHistogram()
    var latestSent = 0
  }

  private let names: [String]
  private let seconds: Double
  private let quiet: Bool
  private let onNews: @Sendable (LoadNews) -> Void
  private let counts: Mutex<[Counts]>

  /// - Parameters:
  ///   - names: The targets'.
  ///   - seconds: How long requests are due.
  ///   - quiet: Whether nothing is shown.
  ///   - onNews: Gets each target's last second, and at the end what came after it.
  init(
    _ names: [String], seconds: Double, quiet: Bool,
    onNews: @escaping @Sendable (LoadNews) -> Void = { _ in }
  ) {
    self.names = names
    self.seconds = seconds
    self.quiet = quiet
    self.onNews = onNews
    counts = Mutex(names.map { _ in Counts() })
  }

  /// Counts a request that has ended.
  func add(_ record: LoadRecord) {
    let milliseconds = record.value(.e2el) ?? 0
    counts.withLock { counts in
      counts[record.stream].sent += 1
      counts[record.stream].latestSent += 1
      counts[record.stream].tokens += record.tokenCount
      if record.isGood {
        counts[record.stream].all.record(milliseconds)
        counts[record.stream].latest.record(milliseconds)
      } else {
        counts[record.stream].failed += 1
      }
    }
  }

  /// Runs work, and shows meanwhile how it goes.
  /// - Parameter inFlight: How many requests are on their way.
  func showing<R: Sendable>(
    inFlight: @escaping @Sendable () -> Int, _ work: () async -> R
  ) async -> R {
    let section = LiveLines.standardError.section()
    let clock = ContinuousClock()
    let start = clock.now
    let ticking = Task {
      var before = start
      for tick in 1... {
        do {
          try await clock.sleep(until: start + Self.interval * tick)
        } catch {
          return before
        }
        let time = clock.now
        let now = takeLatest()
        report(now, since: time - before, inFlight: inFlight())
        before = time
        if quiet { continue }
        let passed = (time - start) / .seconds(1)
        if LiveLines.standardError.isDrawn {
          section.show(lines(now, passed: passed, inFlight: inFlight()))
        } else if tick % Self.lineInterval == 0 {
          StandardStream.error.write(line: line(now, passed: passed))
        }
      }
      return before
    }
    defer { section.end() }
    let result = await work()
    ticking.cancel()
    let before = await ticking.value
    // A page shows all that ended, also of a load that is shorter than a second.
    report(takeLatest(), since: clock.now - before, inFlight: inFlight())
    return result
  }

  /// Reports what ended since the last time.
  private func report(_ counts: [Counts], since interval: Duration, inFlight: Int) {
    // A late turn has more than a second; the last one has less, and no rate can be made of that.
    let seconds = max(1, interval / .seconds(1))
    for (name, counts) in zip(names, counts) {
      onNews(
        LoadNews(
          target: name, ended: counts.sent, failed: counts.failed,
          perSecond: Double(counts.latestSent) / seconds, p50: counts.latest.percentile(0.5),
          p99: counts.latest.percentile(0.99), inFlight: inFlight))
    }
  }

  /// The counts, whose latest begin anew.
  private func takeLatest() -> [Counts] {
    counts.withLock { counts in
      let now = counts
      for index in counts.indices {
        counts[index].latest = LatencyHistogram()
        counts[index].latestSent = 0
      }
      return now
    }
  }

  private func lines(_ counts: [Counts], passed: Double, inFlight: Int) -> [String] {
    var table = TextTable([
      ("target", .left), ("ended", .right), ("failed", .right), ("a second", .right),
      ("p50 ms", .right), ("p99 ms", .right), ("tokens", .right),
    ])
    for (name, counts) in zip(names, counts) {
      table.add([
        name, "\(counts.sent)", "\(counts.failed)", "\(counts.latestSent)",
        ShortNumber.text(counts.latest.percentile(0.5)),
        ShortNumber.text(counts.latest.percentile(0.99)),
        counts.tokens > 0 ? "\(counts.tokens)" : "–",
      ])
    }
    return [header(passed: passed) + ", \(inFlight) on their way"] + table.lines
  }

  private func line(_ counts: [Counts], passed: Double) -> String {
    let sent = counts.reduce(0) { $0 + $1.sent }
    var all = LatencyHistogram()
    for count in counts { all.add(count.all) }
    return
      "\(header(passed: passed)); \(sent) ended, \(counts.reduce(0) { $0 + $1.failed }) failed, "
      + "p50 \(ShortNumber.text(all.percentile(0.5))) ms, "
      + "p99 \(ShortNumber.text(all.percentile(0.99))) ms"
  }

  private func header(passed: Double) -> String {
    let left = seconds - passed
    let rest = left > 0.5 ? "\(TimeLeft.text(seconds: left)) left" : "waiting for the last answers"
    return "load: \(TimeLeft.text(seconds: min(passed, seconds))) of "
      + "\(TimeLeft.text(seconds: seconds)), \(rest)"
  }
}
