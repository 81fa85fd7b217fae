import ReportPages

/// A load's targets in its report, each with its own figures.
enum LoadTargetTable {
  /// A table, where there are several targets.
  static func section(_ targets: [LoadReport.Target]) -> HTML {
    guard targets.count > 1 else { return "" }
    let rows = targets.map { target -> HTML in
      let times = target.figures.distributions[.e2el]
      let cells = [
        "\(target.figures.succeeded) of \(target.figures.sent)",
        ShortNumber.text(target.figures.rate), ShortNumber.text(times?.percentile(0.5)),
        ShortNumber.text(times?.percentile(0.99)), ShortNumber.text(times?.percentile(1)),
      ]
      return """
        <tr data-target="\(target.url)"><th>\(target.workload) to \(target.url)</th>\
        \(cells.map { cell -> HTML in "<td>\(cell)</td>" })</tr>
        """
    }
    return """
      <section><h2>By target</h2><table>
      \(HTML.head(["", "succeeded", "a second", "e2el p50 ms", "p99 ms", "max ms"]))
      <tbody>\(rows)</tbody></table></section>
      """
  }
}
