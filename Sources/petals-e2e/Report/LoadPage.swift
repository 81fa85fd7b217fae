import Foundation
import PlumiseWire
import ReportPages

/// `report.html` of a load: one page that needs nothing but itself, with its numbers as plots.
enum LoadPage {
  static func render(_ report: LoadReport) -> String {
    let figures = report.figures
    let distributions = [LoadMeasure.ttft, .tpot, .itl, .e2el].compactMap { measure in
      figures.distributions[measure].map { (name: measure.rawValue, values: $0) }
    }
    return ReportDocument(
      title: "petals-e2e load: \(report.workload)",
      heading: "\(figures.succeeded) of \(figures.sent) requests succeeded",
      hasPassed: figures.failure == nil,
      lines: ["\(report.workload) to \(report.target)"],
      time: "\(report.started.formatted(.iso8601)) · \(ShortNumber.text(figures.seconds)) s",
      sections: [
        """
        <section class="figures">
        \(HTML.figure(ShortNumber.text(figures.rate), "requests a second"))
        \(figures.good.map {
          HTML.figure(ShortNumber.text(figures.perSecond($0)), "good requests a second") } ?? "")
        \(figures.tokens > 0
          ? HTML.figure(
            ShortNumber.text(figures.perSecond(figures.tokens)), "tokens a second") : "")
        </section>
        """,
        HTML.section("Times in milliseconds", DistributionTable.html(distributions)),
        LoadTargetTable.section(report.targets),
        HTML.section(
          "Distributions", HTML(distributions.map { Plot.distribution($0.name, $0.values) })),
        HTML.section("Over time", HTML(Plot.seconds(figures.series))),
        report.history.section,
        HTML.section(
          "Throughput against latency",
          Plot.throughput(
            "Each second: what succeeded of what was due in it, and the p50 of its latency",
            figures.series.operations, unit: "requests a second")),
        HTML.table(
          "Failures", ["number", "reason"], figures.failures.map { ["\($0.count)", $0.reason] }),
      ], origin: .ofThisCommand
    ).text
  }
}

extension [LoadSecond] {
  /// What succeeded in each second, against the median of its latency.
  var operations: [Plot.Operation] {
    compactMap { second in
      second.latencies.percentile(0.5).map {
        Plot.Operation(
          throughput: Double(second.succeeded), latency: $0, name: "second \(second.second)")
      }
    }
  }
}
