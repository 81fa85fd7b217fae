import JSONValues

/// Plots for reports: inline SVG, whose every mark also holds its numbers as they stand in `report.json`.
package enum Plot {
  /// The width of a plot, in the units of its view box.
  package static let width = 640.0
  /// The height of a plot, in the units of its view box.
  package static let height = 220.0
  /// Around the marks: for the axes and their numbers.
  package static let (left, right, top, bottom) = (48.0, 48.0, 24.0, 34.0)

  /// A bar of a histogram: how many values lie between two.
  package struct Bar: Sendable, Hashable {
    /// The least value that it counts.
    package let from: Double
    /// The value behind the greatest that it counts.
    package let to: Double
    /// How many.
    package let count: Int

    /// A bar by its parts.
    package init(from: Double, to: Double, count: Int) {
      self.from = from
      self.to = to
      self.count = count
    }
  }

  /// A distribution: bars of how many values lie where, and a line of the share that is reached.
  /// - Parameters:
  ///   - name: What is measured, `ttft`.
  ///   - caption: What the figure says in a line.
  ///   - bars: The histogram, from the least value to the greatest.
  ///   - shares: The line: values, each with the share of all that does not exceed it.
  ///   - unit: Of the values.
  package static func distribution(
    _ name: String, caption: String, bars: [Bar], shares: [(value: Double, share: Double)],
    unit: String = "ms"
  ) -> HTML {
    guard let first = bars.first, let last = bars.last else { return "" }
    let most = Double(bars.map(\.count).max() ?? 1)
    let x = Scale(first.from, last.to, across: true)
    let y = Scale(0, most, across: false)
    let marks = bars.map { bar -> HTML in
      let (start, end) = (x(bar.from), x(bar.to))
      return """
        <rect class="bar" x="\(start)" y="\(y(Double(bar.count)))" width="\(max(0.5, end - start - 0.5))" \
        height="\(max(0, height - bottom - y(Double(bar.count))))" data-plot="\(name)" \
        data-from="\(number(bar.from))" data-to="\(number(bar.to))" data-count="\(bar.count)"/>
        """
    }
    let share = Scale(0, 1, across: false)
    let line = shares.map { "\(x($0.value)),\(share($0.share))" }
    return figure(
      caption,
      """
      \(axes(x, unit, y, "values"))
      \(marks)
      <polyline class="line" data-cdf="\(name)" points="\(line.joined(separator: " "))"/>
      <text x="\(width - right + 4)" y="\(top + 4)">100 %</text>
      <text x="\(width - right + 4)" y="\(height - bottom)">0 %</text>
      """)
  }

  /// A number as `report.json` has it.
  package static func number(_ value: Double) -> String { JSON.decimal(value, places: 3).text }

  /// A number beside an axis, whole where it can be.
  package static func label(_ value: Double) -> String {
    let text = number(value)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  /// A picture with its caption, which is its name as well.
  /// - Parameters:
  ///   - title: The caption.
  ///   - height: Of the view box.
  ///   - marks: What is drawn.
  package static func figure(
    _ title: String, height: Double = Plot.height, width: Double = Plot.width, _ marks: HTML
  ) -> HTML {
    """
    <figure><svg class="\(width > Plot.width ? "wide" : "plot")" viewBox="0 0 \(width) \(height)" role="img" aria-label="\(title)">
    \(marks)
    </svg><figcaption>\(title)</figcaption></figure>
    """
  }

  /// Both axes with their numbers, and lines behind the marks.
  package static func axes(_ x: Scale, _ across: String, _ y: Scale, _ up: String) -> HTML {
    let columns = x.ticks.map { tick -> HTML in
      """
      <path class="grid" d="M\(x(tick)) \(top)V\(height - bottom)"/>
      <text x="\(x(tick))" y="\(height - bottom + 14)" text-anchor="middle">\(label(tick))</text>
      """
    }
    let rows = y.ticks.map { tick -> HTML in
      """
      <path class="grid" d="M\(left) \(y(tick))H\(width - right)"/>
      <text x="\(left - 4)" y="\(y(tick) + 4)" text-anchor="end">\(label(tick))</text>
      """
    }
    return """
      \(columns)
      \(rows)
      <path class="axis" d="M\(left) \(top)V\(height - bottom)H\(width - right)"/>
      <text x="\(width - right)" y="\(height - 6)" text-anchor="end">\(across)</text>
      <text x="\(left)" y="\(top - 10)">\(up)</text>
      """
  }

  /// Where the values of an axis stand.
  package struct Scale: Sendable {
    /// The value at the beginning.
    package let from: Double
    /// The value at the end.
    package let to: Double
    private let start: Double
    private let length: Double

    /// A scale of the plot's width or height.
    /// - Parameter isAcross: Whether it goes from left to right; else it goes up, to smaller numbers in SVG.
    package init(_ from: Double, _ to: Double, across isAcross: Bool) {
      let start = isAcross ? left : Plot.height - bottom
      self.init(from, to, start: start, end: isAcross ? Plot.width - right : top)
    }

    /// A scale between two places.
    package init(_ from: Double, _ to: Double, start: Double, end: Double) {
      (self.from, self.to) = (from, to)
      self.start = start
      length = end - start
    }

    /// The place of a value, to a hundredth.
    package func callAsFunction(_ value: Double) -> Double {
      let share = to > from ? (value - from) / (to - from) : 0
      return ((start + share * length) * 100).rounded() / 100
    }

    /// Up to six round values on the scale: multiples of 1, 2 or 5 times a power of ten.
    package var ticks: [Double] {
      let span = to - from
      guard span > 0, span.isFinite else { return [from] }
      var step = 1.0
      while step > span { step /= 10 }
      while step * 10 <= span { step *= 10 }
      for factor in [0.2, 0.5, 1, 2] where span / (step * factor) <= 5 {
        step *= factor
        break
      }
      let first = (from / step).rounded(.up)
      return (0...6).map { (first + Double($0)) * step }.filter { $0 <= to + step * 1e-9 }
    }
  }
}
