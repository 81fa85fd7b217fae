extension TimeLine {
  private static let width = 960.0
  private static let left = 96.0
  private static let laneHeight = 24.0

  /// The time line as a picture, with the faults below it in words.
  /// - Parameter title: The caption.
  package func plot(_ title: String) -> HTML {
    let x = Plot.Scale(from, to, start: Self.left, end: Self.width - 16)
    let floor = 12 + Double(lanes.count) * Self.laneHeight
    let places = Dictionary(uniqueKeysWithValues: zip(lanes, lanes.indices))
    let rows = lanes.enumerated().map { index, lane -> HTML in
      let line = 12 + Double(index + 1) * Self.laneHeight
      return """
        <text x="0" y="\(line - 8)">\(lane)</text>
        <path class="grid" d="M0 \(line)H\(Self.width - 16)"/>
        """
    }
    let pieces = marks.map { mark -> HTML in
      let top = 12 + Double(places[mark.lane] ?? 0) * Self.laneHeight + 4
      let start = x(mark.from)
      let count = mark.count > 1 ? " (\(mark.count))" : ""
      return """
        <rect class="\(mark.kind.rawValue)" x="\(start)" y="\(top)" \
        width="\(max(2, x(mark.to) - start))" height="\(Self.laneHeight - 8)" \
        data-lane="\(mark.lane)" data-from="\(Plot.number(mark.from))" \
        data-to="\(Plot.number(mark.to))" data-count="\(mark.count)">\
        <title>\(Plot.label(mark.from)) ms: \(mark.text)\(count)</title></rect>
        """
    }
    let ticks = x.ticks.map { tick -> HTML in
      """
      <path class="grid" d="M\(x(tick)) 12V\(floor)"/>
      <text x="\(x(tick))" y="\(floor + 14)" text-anchor="middle">\(Plot.label(tick / 1000)) s</text>
      """
    }
    return """
      \(Plot.figure(title, height: floor + 22, width: Self.width, "\(ticks)\n\(bandMarks(x, from: 12, to: floor))\n\(rows)\n\(pieces)"))
      \(bandList)
      """
  }

  /// The faults as bands behind the marks of a plot.
  /// - Parameters:
  ///   - x: Where times stand.
  ///   - top: Where the bands begin.
  ///   - floor: Where they end.
  package func bandMarks(_ x: Plot.Scale, from top: Double, to floor: Double) -> [HTML] {
    bands.map { band in
      let (start, end) = (x(band.from), x(min(band.to ?? to, to)))
      return """
        <rect class="band" x="\(start)" y="\(top)" width="\(max(2, end - start))" \
        height="\(floor - top)" data-part="\(band.part)" data-fault="\(band.fault)" \
        data-from="\(Plot.number(band.from))" data-to="\(band.to.map(Plot.number) ?? "")">\
        <title>\(band.text)</title></rect>
        """
    }
  }

  /// The faults in words; nothing without any.
  package var bandList: HTML {
    if bands.isEmpty { return "" }
    let items = bands.map { band -> HTML in "<li><i></i>\(band.text)</li>" }
    return "<ul class=\"lines\" aria-label=\"Faults that were on\">\(items)</ul>"
  }
}

extension FaultBand {
  /// The fault and its time in a line.
  package var text: String {
    let end = to.map { " to \(Plot.label($0 / 1000)) s" } ?? " to the end"
    return "\(part): \(fault), from \(Plot.label(from / 1000)) s\(end)"
      + (ending.map { " (\($0))" } ?? "")
  }
}
