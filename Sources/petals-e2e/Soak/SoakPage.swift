import Foundation
import ReportPages

/// `report.html` of a soak: the verdict, and each series over time.
enum SoakPage {
  private static let measures: [(measure: String, title: String, unit: String)] = [
    ("memory", "Memory of each process", "MiB"), ("descriptors", "Open descriptors", ""),
    ("threads", "Threads", ""), ("p50", "Median latency by the interval", "ms"),
    ("p99", "p99 of the latency by the interval", "ms"),
  ]

  static func render(_ report: SoakReport) -> String {
    let passed = report.failures.isEmpty
    let rows = report.series.map { series in
      [
        series.subject, series.measure, number(series.trend?.level, series.unit),
        number(series.trend.map { 3600 * $0.slope }, series.unit),
        series.trend.map {
          "\(number(3600 * $0.interval.lowerBound, "")) to "
            + number(3600 * $0.interval.upperBound, series.unit)
        } ?? "–", number(series.growth, series.unit), number(series.allowed, series.unit),
        series.verdict.rawValue,
      ]
    }
    let targets = report.targets.map { target in
      let times = target.counts.latencies
      return [
        "\(target.workload) to \(target.url)", "\(target.counts.sent)", "\(target.counts.failed)",
        number(times.percentile(0.5), "ms"), number(times.percentile(0.99), "ms"),
        number(times.percentile(1), "ms"),
      ]
    }
    return ReportDocument(
      title: "petals-e2e soak: \(passed ? "passed" : "failed")",
      heading: passed ? "✓ Nothing grows" : "✗ The soak failed", hasPassed: passed,
      lines: report.failures,
      time: "\(report.started.formatted(.iso8601)) · \(ShortNumber.text(report.seconds)) s, "
        + "judged from second \(Int(report.settled)) on",
      sections: [
        HTML.table(
          "Requests", ["", "sent", "failed", "p50", "p99", "max"], targets),
        HTML.table(
          "Trends: Theil and Sen's slope, with 95 % confidence",
          ["", "", "level", "an hour", "95 %", "in the soak", "allowed", "verdict"], rows),
      ] + measures.map { plot($0, report) }, origin: .ofThisCommand
    ).text
  }

  private static func plot(
    _ kind: (measure: String, title: String, unit: String), _ report: SoakReport
  ) -> HTML {
    let lines = report.series.filter { $0.measure == kind.measure }.map { series in
      Plot.Line(name: series.subject, points: series.points.map { (x: $0.time, y: $0.value) })
    }
    let plot = Plot.lines(
      kind.title, lines, across: "s", up: kind.unit, places: 4, shadedUntil: report.settled)
    return lines.isEmpty ? "" : "<section>\(plot)</section>"
  }

  private static func number(_ value: Double?, _ unit: String) -> String {
    ShortNumber.text(value) + (value == nil || unit.isEmpty ? "" : " \(unit)")
  }
}
