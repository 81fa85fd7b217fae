import Foundation
import PlumiseWire

/// `report.html` of a load: one page that needs nothing but itself, with its numbers as plots.
enum LoadPage {
  static func render(_ report: LoadReport) -> String {
    let figures = report.figures
    let measures = [LoadMeasure.ttft, .tpot, .itl, .e2el].filter {
      figures.distributions[$0] != nil
    }
    let page: HTML = """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>petals-e2e load: \(report.workload)</title>
      <style>\(ReportStyle.sheet)</style>
      </head>
      <body>
      <header class="\(figures.succeeded == figures.sent ? "passed" : "failed")">
      <h1>\(figures.succeeded) of \(figures.sent) requests succeeded</h1>
      <p>\(report.workload) to \(report.target)</p>
      <p class="quiet">\(report.started.formatted(.iso8601)) · \(number(figures.seconds)) s</p>
      </header>
      <main>
      <section class="figures">
      \(figure(number(figures.rate), "requests a second"))
      \(figures.good.map { figure(number(figures.perSecond($0)), "good requests a second") } ?? "")
      \(figures.tokens > 0 ? figure(number(figures.perSecond(figures.tokens)), "tokens a second") : "")
      </section>
      <section><h2>Times in milliseconds</h2>
      <table>
      <tr><th></th>\(Distribution.shares.map { share -> HTML in "<th>\(share.name)</th>" })<th>mean</th></tr>
      \(measures.compactMap { measure in figures.distributions[measure].map { row(measure, $0) } })
      </table></section>
      \(LoadTargetTable.section(report.targets))
      <section><h2>Distributions</h2>
      \(measures.compactMap { measure in
        figures.distributions[measure].map { Plot.distribution(measure.rawValue, $0) } })
      </section>
      <section><h2>Over time</h2>\(Plot.seconds(figures.series))</section>
      \(failures(figures.failures))
      <section><h2>To repeat</h2><p><code>\(CommandLine.arguments.joined(separator: " "))</code></p>
      <p class="quiet">\(Machine.current.line) · petals-e2e \(PetalsE2E.release)</p></section>
      </main>
      </body>
      </html>
      """
    return page.text + "\n"
  }

  private static func row(_ measure: LoadMeasure, _ distribution: Distribution) -> HTML {
    let cells = Distribution.shares.map { name, share -> HTML in
      let value = distribution.percentile(share).map { JSON.decimal($0, places: 3).text } ?? "–"
      return """
        <td data-measure="\(measure.rawValue)" data-share="\(name)">\(value)</td>
        """
    }
    let mean = distribution.mean.map { JSON.decimal($0, places: 3).text } ?? "–"
    return "<tr><th>\(measure.rawValue)</th>\(cells)<td>\(mean)</td></tr>"
  }

  private static func failures(_ failures: [(reason: String, count: Int)]) -> HTML {
    if failures.isEmpty { return "" }
    let rows = failures.map { reason, count -> HTML in
      "<tr><td>\(count)</td><td>\(reason)</td></tr>"
    }
    return "<section><h2>Failures</h2><table>\(rows)</table></section>"
  }

  private static func figure(_ value: String, _ unit: String) -> HTML {
    "<div><strong>\(value)</strong><span>\(unit)</span></div>"
  }

  private static func number(_ value: Double) -> String {
    value.formatted(
      .number.precision(.significantDigits(1...4)).grouping(.never)
        .locale(Locale(identifier: "en_US_POSIX")))
  }
}
