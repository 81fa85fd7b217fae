import Foundation
import PlumiseWire

/// A measurement over the time of a soak, and whether it grows.
struct SoakSeries: Sendable {
  /// How a trend is judged.
  enum Verdict: String, Sendable {
    /// Even the upper end of the interval is within what is allowed.
    case flat
    /// Even the lower end of the interval is beyond what is allowed.
    case grows
    /// What is allowed lies within the interval: only a longer soak could decide.
    case unclear
    /// It is recorded, and not judged.
    case unjudged = "not judged"
  }

  /// What is allowed over the whole soak: a share of the level, and what is noise at any level.
  struct Allowance: Sendable {
    let percent: Double
    let least: Double
  }

  /// What it is of: `oracle`.
  let subject: String
  /// `memory`, `descriptors`, `threads`, `p50`, `p99`.
  let measure: String
  let unit: String
  /// All points; those of the time in which things settle are not judged.
  let points: [(time: Double, value: Double)]
  let trend: Trend?
  /// The growth over the judged time; nil without a trend.
  let growth: Double?
  let interval: ClosedRange<Double>?
  let allowed: Double?
  let verdict: Verdict

  /// - Parameters:
  ///   - settled: From when on points are judged, in seconds.
  ///   - allowance: Nil for what is recorded and not judged.
  init(
    _ subject: String, _ measure: String, unit: String, _ points: [(time: Double, value: Double)],
    settled: Double, _ allowance: Allowance?
  ) {
    (self.subject, self.measure, self.unit, self.points) = (subject, measure, unit, points)
    let judged = points.filter { $0.time >= settled }
    let trend = Trend(judged)
    self.trend = trend
    guard let trend, let first = judged.first, let last = judged.last else {
      (growth, interval, allowed) = (nil, nil, nil)
      verdict = allowance == nil ? .unjudged : .unclear
      return
    }
    let span = last.time - first.time
    growth = trend.slope * span
    let interval = (trend.interval.lowerBound * span)...(trend.interval.upperBound * span)
    self.interval = interval
    guard let allowance else {
      (allowed, verdict) = (nil, .unjudged)
      return
    }
    let allowed = max(allowance.least, abs(trend.level) * allowance.percent / 100)
    self.allowed = allowed
    verdict =
      interval.lowerBound > allowed ? .grows : interval.upperBound <= allowed ? .flat : .unclear
  }

  var json: JSON {
    func decimal(_ value: Double?) -> JSON { value.map { .decimal($0, places: 4) } ?? .null }
    return [
      "subject": .string(subject), "measure": .string(measure), "unit": .string(unit),
      "verdict": .string(verdict.rawValue), "level": decimal(trend?.level),
      "slope_per_hour": decimal(trend.map { 3600 * $0.slope }),
      "slope_per_hour_low": decimal(trend.map { 3600 * $0.interval.lowerBound }),
      "slope_per_hour_high": decimal(trend.map { 3600 * $0.interval.upperBound }),
      "growth": decimal(growth), "growth_low": decimal(interval?.lowerBound),
      "growth_high": decimal(interval?.upperBound), "allowed": decimal(allowed),
      "points": .array(
        points.map { [.decimal($0.time, places: 2), .decimal($0.value, places: 4)] }),
    ]
  }
}

/// What is reported of a soak: `report.json` of the schema `petals-e2e/soak/1`.
struct SoakReport: Sendable {
  static let schema = "petals-e2e/soak/1"

  /// A target and what became of its requests.
  struct Target: Sendable {
    let url: String
    let workload: String
    let counts: SoakRecorder.Target

    var json: JSON {
      func decimal(_ share: Double) -> JSON {
        counts.latencies.percentile(share).map { .decimal($0, places: 3) } ?? .null
      }
      return [
        "target": .string(url), "workload": .string(workload), "sent": .integer(counts.sent),
        "failed": .integer(counts.failed), "tokens": .integer(counts.tokens),
        "e2el_ms": [
          "p50": decimal(0.5), "p90": decimal(0.9), "p99": decimal(0.99), "p99.9": decimal(0.999),
          "max": decimal(1),
        ],
        "failures": .array(
          counts.failures.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
            ["reason": .string($0.key), "count": .integer($0.value)]
          }),
      ]
    }
  }

  let started: Date
  let course: JSON
  let seconds: Double
  /// From when on series are judged.
  let settled: Double
  let targets: [Target]
  let processes: [SoakRecorder.Process]
  let series: [SoakSeries]

  /// Something that the soak judges.
  struct Finding: Sendable {
    /// What was to hold.
    let name: String
    /// Why it did not; nil where it did.
    let failure: String?
    /// The failure with what it is of, as it stands among others.
    var reason: String?
  }

  /// Everything that is judged: each series but those that are only recorded, each process, each
  /// target.
  var findings: [Finding] {
    let growths = series.filter { $0.verdict != .unjudged }.map { series in
      let (subject, unit) = ("\(series.subject): \(series.measure)", series.unit)
      let growth = ShortNumber.text(series.growth) + (unit.isEmpty ? "" : " \(unit)")
      let text = "grows by \(growth), and \(ShortNumber.text(series.allowed)) are allowed"
      let fails = series.verdict == .grows
      return Finding(
        name: "\(subject) does not grow", failure: fails ? "it \(text)" : nil,
        reason: fails ? "\(subject) \(text)" : nil)
    }
    let lives = processes.map { process in
      let name = "\(process.name) (process \(process.id))"
      return Finding(
        name: "\(name) runs to the end",
        failure: process.goneAfter.map { "\(name) was gone after \(Int($0)) s" })
    }
    let answers = targets.map { target in
      let (failed, sent) = (target.counts.failed, target.counts.sent)
      return Finding(
        name: "\(target.url): every request succeeds",
        failure: failed > 0 ? "\(failed) of \(sent) requests to \(target.url) failed" : nil)
    }
    let requests =
      targets.allSatisfy { $0.counts.sent == 0 }
      ? [
        Finding(
          name: "there are requests",
          failure: "no request was due after the warm-up before the soak was ended")
      ] : []
    return growths + lives + answers + requests
  }

  /// Why the soak failed; empty when it passed.
  var failures: [String] { findings.compactMap { $0.reason ?? $0.failure } }

  var json: JSON {
    [
      "schema": .string(Self.schema), "started": .string(started.formatted(.iso8601)),
      "command": .array(CommandLine.arguments.map { .string($0) }), "machine": Machine.current.json,
      "version": .string(PetalsE2E.release), "course": course, "ok": .bool(failures.isEmpty),
      "reasons": .array(failures.map { .string($0) }),
      "seconds": .decimal(seconds, places: 2), "settled_s": .decimal(settled, places: 2),
      "targets": .array(targets.map(\.json)),
      "processes": .array(
        processes.map { process in
          let first = process.samples.first?.sample.processorSeconds
          let last = process.samples.last?.sample.processorSeconds
          return [
            "name": .string(process.name), "process": .integer(Int(process.id)),
            "samples": .integer(process.samples.count),
            "processor_s": .decimal((last ?? 0) - (first ?? 0), places: 2),
          ]
        }),
      "series": .array(series.map(\.json)),
    ]
  }

  /// The targets and the series as tables, and the verdict.
  func text(in style: TerminalStyle) -> String {
    var targets = TextTable([
      ("target", .left), ("sent", .right), ("failed", .right), ("p50 ms", .right),
      ("p99 ms", .right), ("max ms", .right),
    ])
    for target in self.targets {
      let times = target.counts.latencies
      targets.add([
        "\(target.workload) to \(target.url)", "\(target.counts.sent)", "\(target.counts.failed)",
        ShortNumber.text(times.percentile(0.5)), ShortNumber.text(times.percentile(0.99)),
        ShortNumber.text(times.percentile(1)),
      ])
    }
    var table = TextTable([
      ("", .left), ("", .left), ("level", .right), ("an hour", .right), ("95 % from", .right),
      ("to", .right), ("unit", .left), ("verdict", .left),
    ])
    for series in series {
      table.add([
        series.subject, series.measure, ShortNumber.text(series.trend?.level),
        ShortNumber.text(series.trend.map { 3600 * $0.slope }),
        ShortNumber.text(series.trend.map { 3600 * $0.interval.lowerBound }),
        ShortNumber.text(series.trend.map { 3600 * $0.interval.upperBound }), series.unit,
        series.verdict.rawValue,
      ])
    }
    let unsampled =
      processes.isEmpty
      ? [
        "memory, descriptors and threads were not sampled: no process of this machine was found "
          + "at the targets (on Linux alone they are found)"
      ] : []
    let verdict =
      failures.isEmpty
      ? style.good("passed: nothing grows beyond what is allowed")
      : style.bad("failed: " + failures.joined(separator: "; "))
    return (targets.lines + [""] + table.lines + unsampled + [verdict]).joined(separator: "\n")
  }
}
