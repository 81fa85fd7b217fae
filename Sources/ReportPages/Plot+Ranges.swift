extension Plot {
  /// What was measured several times.
  package struct Range: Sendable {
    /// What it is.
    package let name: String
    /// Each time's value, the least first; at least one.
    package let values: [Double]
    /// The value in the middle.
    package let median: Double

    /// A range by its parts.
    package init(name: String, values: [Double], median: Double) {
      self.name = name
      self.values = values
      self.median = median
    }
  }

  private static let rowHeight = 34.0

  /// Figures of one unit below each other: each time's value, the way from the least to the greatest, the median.
  /// - Parameters:
  ///   - title: The caption.
  ///   - rows: From top to bottom.
  ///   - unit: Of the values.
  package static func ranges(_ title: String, _ rows: [Range], unit: String) -> HTML {
    if rows.isEmpty { return "" }
    let values = rows.flatMap(\.values)
    let x = Scale(
      min(0, values.min() ?? 0), max(values.max() ?? 1, .leastNormalMagnitude), start: 8,
      end: width - 24)
    let floor = 8 + Double(rows.count) * rowHeight
    let ticks = x.ticks.map { tick -> HTML in
      """
      <path class="grid" d="M\(x(tick)) 8V\(floor)"/>
      <text x="\(x(tick))" y="\(floor + 14)" text-anchor="middle">\(label(tick))</text>
      """
    }
    let lines = rows.enumerated().map { index, row -> HTML in
      let middle = 8 + (Double(index) + 0.72) * rowHeight
      let dots = row.values.map { value -> HTML in
        """
        <circle class="plain" cx="\(x(value))" cy="\(middle)" r="2" data-name="\(row.name)" \
        data-value="\(number(value))"/>
        """
      }
      return """
        <text x="8" y="\(middle - 8)">\(row.name): \(label(row.median)) \(unit)</text>
        <path class="range" d="M\(x(row.values[0])) \(middle)H\(x(row.values[row.values.count - 1]))"/>
        \(dots)
        <rect class="bar" x="\(x(row.median) - 1.5)" y="\(middle - 5)" width="3" height="10" \
        data-name="\(row.name)" data-median="\(number(row.median))"/>
        """
    }
    return figure(
      title, height: floor + 22,
      """
      \(ticks)
      <text x="\(width)" y="\(floor + 14)" text-anchor="end">\(unit)</text>
      \(lines)
      """)
  }
}
