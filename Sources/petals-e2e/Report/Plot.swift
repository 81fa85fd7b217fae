import PlumiseWire

/// Plots for reports: inline SVG, whose every mark also holds its numbers as they stand in `report.json`.
enum Plot {
  private static let width = 640.0
  private static let height = 220.0
  /// Around the marks: for the axes and their numbers.
  private static let (left, right, top, bottom) = (16.0, 48.0, 24.0, 34.0)

  /// The distribution of times: bars of how many lie where, and a line of the share that is reached.
  /// - Parameters:
  ///   - name: What is measured, `ttft`.
  ///   - distribution: The times, in milliseconds.
  static func distribution(_ name: String, _ distribution: Distribution) -> HTML {
    let bars = distribution.histogram
    guard let first = bars.first, let last = bars.last else { return "" }
    let most = Double(bars.map(\.count).max() ?? 1)
    let x = Scale(first.from, last.to, across: true)
    let y = Scale(0, most, across: false)
    let marks = bars.map { bar -> HTML in
      let (start, end) = (x(bar.from), x(bar.to))
      return """
        <rect class="bar" x="\(start)" y="\(y(Double(bar.count)))" width="\(max(0.5, end - start - 0.5))" \
        height="\(max(0, height - bottom - y(Double(bar.count))))" data-from="\(text(bar.from))" \
        data-to="\(text(bar.to))" data-count="\(bar.count)"/>
        """
    }
    let share = Scale(0, 1, across: false)
    let line = (0...100).map { step -> String in
      let value = distribution.percentile(Double(step) / 100) ?? 0
      return "\(x(value)),\(share(Double(step) / 100))"
    }
    let p50 = text(distribution.percentile(0.5) ?? 0)
    let p99 = text(distribution.percentile(0.99) ?? 0)
    return figure(
      "\(name): \(distribution.values.count) values, p50 \(p50) ms, p99 \(p99) ms",
      """
      \(axes(x, "ms", y, "values"))
      \(marks)
      <polyline class="line" data-cdf="\(name)" points="\(line.joined(separator: " "))"/>
      <text x="\(width - right + 4)" y="\(top + 8)">100 %</text>
      <text x="\(width - right + 4)" y="\(height - bottom)">0 %</text>
      """)
  }

  /// What happened in each second: requests that succeeded and failed, and their latency.
  static func seconds(_ series: [LoadSecond]) -> [HTML] {
    guard let first = series.first, let last = series.last else { return [] }
    let x = Scale(Double(first.second), Double(last.second + 1), across: true)
    let most = Double(series.map(\.due).max() ?? 1)
    let y = Scale(0, most, across: false)
    let bars = series.map { second -> HTML in
      let (start, end) = (x(Double(second.second)), x(Double(second.second + 1)))
      let (good, all) = (y(Double(second.succeeded)), y(Double(second.due)))
      return """
        <rect class="bar" x="\(start)" y="\(good)" width="\(max(0.5, end - start - 0.5))" \
        height="\(height - bottom - good)" data-second="\(second.second)" data-succeeded="\(second.succeeded)"/>
        <rect class="bad" x="\(start)" y="\(all)" width="\(max(0.5, end - start - 0.5))" \
        height="\(good - all)" data-second="\(second.second)" data-failed="\(second.failed)"/>
        """
    }
    let latest = series.compactMap { $0.latencies.percentile(0.99) }.max() ?? 1
    let milliseconds = Scale(0, latest, across: false)
    func line(_ name: String, _ share: Double) -> HTML {
      let points = series.compactMap { second in
        second.latencies.percentile(share).map {
          "\(x(Double(second.second) + 0.5)),\(milliseconds($0))"
        }
      }
      return """
        <polyline class="\(name)" points="\(points.joined(separator: " "))"/>
        """
    }
    return [
      figure(
        "Requests by the second in which they were due", "\(axes(x, "s", y, "requests"))\n\(bars)"),
      figure(
        "Latency by that second: p50, and p99 above it",
        """
        \(axes(x, "s", milliseconds, "ms"))
        \(line("line", 0.5))
        \(line("line faint", 0.99))
        """),
    ]
  }

  /// A number as `report.json` has it.
  private static func text(_ value: Double) -> String { JSON.decimal(value, places: 3).text }

  /// The number at an end of an axis, whole where it can be.
  private static func label(_ value: Double) -> String {
    let text = text(value)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  private static func figure(_ title: String, _ marks: HTML) -> HTML {
    """
    <figure><svg viewBox="0 0 \(width) \(height)" role="img" aria-label="\(title)">
    \(marks)
    </svg><figcaption>\(title)</figcaption></figure>
    """
  }

  private static func axes(_ x: Scale, _ across: String, _ y: Scale, _ up: String) -> HTML {
    """
    <path class="axis" d="M\(left) \(top)V\(height - bottom)H\(width - right)"/>
    <text x="\(left)" y="\(height - 12)">\(label(x.from)) \(across)</text>
    <text x="\(width - right)" y="\(height - 12)" text-anchor="end">\(label(x.to)) \(across)</text>
    <text x="\(left)" y="\(top - 8)">\(label(y.to)) \(up)</text>
    """
  }

  /// Where the values of an axis stand.
  private struct Scale {
    let from: Double
    let to: Double
    private let start: Double
    private let length: Double

    /// - Parameter isAcross: Whether it goes from left to right; else it goes up, to smaller numbers in SVG.
    init(_ from: Double, _ to: Double, across isAcross: Bool) {
      (self.from, self.to) = (from, to)
      start = isAcross ? left : height - bottom
      length = (isAcross ? width - right : top) - start
    }

    func callAsFunction(_ value: Double) -> Double {
      let share = to > from ? (value - from) / (to - from) : 0
      return ((start + share * length) * 100).rounded() / 100
    }
  }
}
