import JSONValues

extension Plot {
  /// A line of points.
  package struct Line: Sendable {
    /// What it is of.
    package let name: String
    /// Its points, from left to right.
    package let points: [(x: Double, y: Double)]
    /// The index of a point that is named, with its name.
    package var mark: (index: Int, name: String)?

    /// A line by its parts.
    package init(name: String, points: [(x: Double, y: Double)]) {
      self.name = name
      self.points = points
    }
  }

  /// How many colours the style sheet has for lines; further lines take them again.
  private static let colorCount = 8
  private static let legendHeight = 15.0

  /// Lines over common axes, with a legend below them; nothing without points.
  ///
  /// The vertical axis begins at zero, or at the least value where that is below zero.
  /// - Parameters:
  ///   - title: The caption.
  ///   - lines: In the order of the legend.
  ///   - across: The unit of the horizontal axis.
  ///   - up: The unit of the vertical axis.
  ///   - places: How many decimals a point's value has in `report.json`.
  ///   - shadedUntil: Where a shade ends that begins at the left: points in it do not count.
  package static func lines(
    _ title: String, _ lines: [Line], across: String, up: String, places: Int,
    shadedUntil: Double? = nil
  ) -> HTML {
    let points = lines.flatMap(\.points)
    guard let first = points.map(\.x).min(), let last = points.map(\.x).max(),
      let low = points.map(\.y).min(), let high = points.map(\.y).max()
    else { return "" }
    let floor = min(0, low)
    let x = Scale(first, last, across: true)
    let y = Scale(floor, high > floor ? high : floor + 1, across: false)
    let shade: HTML =
      shadedUntil.map { until in
        let end = x(min(max(until, first), last))
        return """
          <rect class="shade" x="\(left)" y="\(top)" width="\(end - left)" \
          height="\(height - top - bottom)"/>
          """
      } ?? ""
    let drawn = lines.enumerated().map { index, line -> HTML in
      let color = "of-\(index % colorCount)"
      let row = height + legendHeight * Double(index)
      return """
        \(draw(line, color, places, x, y))
        <rect class="series \(color)" x="\(left)" y="\(row)" width="9" height="9"/>
        <text x="\(left + 14)" y="\(row + 9)">\(line.name)</text>
        """
    }
    return figure(
      title, height: height + legendHeight * Double(lines.count) + 4,
      """
      \(shade)
      \(axes(x, across, y, up))
      \(drawn)
      """)
  }

  private static func draw(
    _ line: Line, _ color: String, _ places: Int, _ x: Scale, _ y: Scale
  ) -> HTML {
    let path = line.points.map { "\(x($0.x)),\(y($0.y))" }.joined(separator: " ")
    let dots = line.points.enumerated().map { index, point -> HTML in
      """
      <circle class="series \(color)" cx="\(x(point.x))" cy="\(y(point.y))" \
      r="\(line.mark?.index == index ? 5 : 1.8)" data-line="\(line.name)" \
      data-x="\(JSON.decimal(point.x, places: 2).text)" \
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
      <polyline class="series \(color)" points="\(path)"/>
      \(dots)
      \(mark)
      """
  }
}
