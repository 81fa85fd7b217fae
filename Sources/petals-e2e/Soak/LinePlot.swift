import PlumiseWire
import ReportPages

/// A plot of lines over a common axis, as inline SVG whose every point also holds its numbers as they stand in
/// `report.json`.
struct LinePlot: Sendable {
  /// One line.
  struct Line: Sendable {
    let name: String
    let points: [(x: Double, y: Double)]
    /// The index of a point that is named, with its name.
    var mark: (index: Int, name: String)?
  }

  private static let (width, height) = (640.0, 240.0)
  /// Around the marks: for the axes, their numbers and the lines' names.
  private static let (left, right, top, bottom) = (16.0, 120.0, 24.0, 34.0)
  /// Told apart by colours of the same lightness, for light and for dark pages.
  private static let colors = [
    "#3b82c4", "#c4713b", "#3ba07a", "#a05bb8", "#b0893a", "#c44f6d", "#5b7fb8", "#7a9a3b",
  ]

  let title: String
  let xUnit: String
  let yUnit: String
  let lines: [Line]
  /// Before it points are drawn over a shade: they are not judged.
  var shadedUntil: Double?
  /// How many decimals a point's value has, as in `report.json`.
  var places = 4
  /// Whether the vertical axis begins at zero, or a little below the least value.
  var beginsAtZero = true

  /// The plot; empty without points.
  var html: HTML {
    let points = lines.flatMap(\.points)
    guard let least = points.map(\.x).min(), let most = points.map(\.x).max(),
      let low = points.map(\.y).min(), let high = points.map(\.y).max()
    else { return "" }
    let floor = beginsAtZero ? min(0, low) : low - max(0.02 * abs(low), 0.1 * (high - low))
    let ceiling = high > floor ? high : floor + 1
    func x(_ value: Double) -> Double {
      let share = most > least ? (value - least) / (most - least) : 0.5
      return Self.rounded(Self.left + share * (Self.width - Self.left - Self.right))
    }
    func y(_ value: Double) -> Double {
      let share = (value - floor) / (ceiling - floor)
      return Self.rounded(
        Self.height - Self.bottom - share * (Self.height - Self.top - Self.bottom))
    }
    let shade: HTML =
      shadedUntil.map { until in
        """
        <rect class="shade" x="\(Self.left)" y="\(Self.top)" width="\(max(0, x(min(until, most)) - Self.left))" \
        height="\(Self.height - Self.top - Self.bottom)" fill="currentColor" opacity="0.07"/>
        """
      } ?? ""
    let drawn = lines.enumerated().map { index, line in
      draw(line, Self.colors[index % Self.colors.count], index, x, y)
    }
    return """
      <figure><svg viewBox="0 0 \(Self.width) \(Self.height)" role="img" aria-label="\(title)">
      \(shade)
      <path class="axis" d="M\(Self.left) \(Self.top)V\(Self.height - Self.bottom)H\(Self.width - Self.right)"/>
      <text x="\(Self.left)" y="\(Self.height - 12)">\(Self.label(least)) \(xUnit)</text>
      <text x="\(Self.width - Self.right)" y="\(Self.height - 12)" text-anchor="end">\(Self.label(most)) \(xUnit)</text>
      <text x="\(Self.left)" y="\(Self.top - 8)">\(Self.label(ceiling)) \(yUnit)</text>
      <text x="\(Self.left + 4)" y="\(Self.height - Self.bottom - 4)">\(Self.label(floor))</text>
      \(drawn)
      </svg><figcaption>\(title)</figcaption></figure>
      """
  }

  private func draw(
    _ line: Line, _ color: String, _ index: Int, _ x: (Double) -> Double, _ y: (Double) -> Double
  ) -> HTML {
    let path = line.points.map { "\(x($0.x)),\(y($0.y))" }.joined(separator: " ")
    let dots = line.points.enumerated().map { number, point -> HTML in
      let isMarked = line.mark?.index == number
      return """
        <circle cx="\(x(point.x))" cy="\(y(point.y))" r="\(isMarked ? 5 : 1.8)" fill="\(color)" \
        data-line="\(line.name)" data-x="\(JSON.decimal(point.x, places: 2).text)" \
        data-y="\(JSON.decimal(point.y, places: places).text)"/>
        """
    }
    let mark: HTML =
      line.mark.map { mark in
        let point = line.points[mark.index]
        return """
          <text x="\(x(point.x) + 7)" y="\(y(point.y) + 14)">\(mark.name)</text>
          """
      } ?? ""
    return """
      <polyline fill="none" stroke="\(color)" stroke-width="1.5" points="\(path)"/>
      \(dots)\(mark)
      <rect x="\(Self.width - Self.right + 10)" y="\(Self.top + 15 * Double(index) - 8)" width="9" height="9" fill="\(color)"/>
      <text x="\(Self.width - Self.right + 23)" y="\(Self.top + 15 * Double(index))">\(line.name)</text>
      """
  }

  private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

  private static func label(_ value: Double) -> String { ShortNumber.text(value) }
}
