package import JSONValues

/// A request of a network: a pass through a node's blocks, a generation, a report, a transaction.
package struct ReportedRequest: Sendable, Hashable {
  /// What was asked for.
  package enum Kind: String, Sendable, CaseIterable {
    case generation, session, pass, oracle, chain
  }

  /// What was asked for.
  package var kind: Kind
  /// Who answered.
  package var part: String
  /// When it began, in milliseconds from the report's beginning.
  package var from: Double
  /// How long it took, in milliseconds; nil where only its end is known.
  package var milliseconds: Double?
  /// Whether it did what it was to do.
  package var succeeded: Bool
  /// What it was, and how it ended, in a line.
  package var text: String

  /// A request by its parts.
  package init(
    _ kind: Kind, part: String, from: Double, milliseconds: Double?, succeeded: Bool, text: String
  ) {
    self.kind = kind
    self.part = part
    self.from = from
    self.milliseconds = milliseconds
    self.succeeded = succeeded
    self.text = text
  }

  /// A line of `requests.jsonl`.
  package var json: JSON {
    [
      "kind": .string(kind.rawValue), "part": .string(part), "from_ms": .decimal(from, places: 3),
      "milliseconds": milliseconds.map { .decimal($0, places: 3) } ?? .null,
      "ok": .bool(succeeded), "text": .string(text),
    ]
  }
}

extension Plot {
  /// A point: when a request was, and how long it took.
  package struct Moment: Sendable {
    /// Milliseconds from the report's beginning.
    package let time: Double
    /// How long it took, in milliseconds.
    package let value: Double
    /// Whether it did what it was to do.
    package let succeeded: Bool

    /// A point by its parts.
    package init(time: Double, value: Double, succeeded: Bool) {
      self.time = time
      self.value = value
      self.succeeded = succeeded
    }

    /// As it stands in `report.json`.
    package var json: JSON {
      [
        "time_ms": .decimal(time, places: 3), "milliseconds": .decimal(value, places: 3),
        "ok": .bool(succeeded),
      ]
    }
  }

  /// The most points of a plot: of more, the slowest in each piece of the time and each outcome is drawn.
  package static let maximumMoments = 1000

  /// Requests by when they began and how long they took, over bands for the faults that were on.
  /// - Parameters:
  ///   - title: The caption.
  ///   - moments: In any order.
  ///   - timeLine: Has the faults, and the beginning and the end.
  package static func moments(
    _ title: String, _ moments: [Moment], over timeLine: TimeLine
  ) -> HTML {
    let drawn = thinned(moments, from: timeLine.from, to: timeLine.to)
    guard !drawn.isEmpty else { return "" }
    let seconds = Scale(timeLine.from / 1000, timeLine.to / 1000, across: true)
    let x = Scale(timeLine.from, timeLine.to, across: true)
    let y = Scale(0, max(drawn.map(\.value).max() ?? 1, 0.001), across: false)
    let points = drawn.map { moment -> HTML in
      """
      <circle class="\(moment.succeeded ? "bar" : "bad")" cx="\(x(moment.time))" \
      cy="\(y(moment.value))" r="2.5" data-time="\(number(moment.time))" \
      data-milliseconds="\(number(moment.value))" data-ok="\(moment.succeeded)"/>
      """
    }
    let shown =
      drawn.count < moments.count
      ? "\(title): the slowest \(drawn.count) of \(moments.count)" : title
    return figure(
      shown,
      """
      \(axes(seconds, "s", y, "ms"))
      \(timeLine.bandMarks(x, from: top, to: height - bottom))
      \(points)
      """)
  }

  /// The points that are drawn, in the order of their times.
  package static func thinned(_ moments: [Moment], from: Double, to: Double) -> [Moment] {
    guard moments.count > maximumMoments else { return moments.sorted { $0.time < $1.time } }
    let cells = Double(maximumMoments / 2)
    var slowest: [Int: Moment] = [:]
    for moment in moments {
      let cell = Int(min(cells - 1, max(0, (moment.time - from) / (to - from) * cells)))
      let key = 2 * cell + (moment.succeeded ? 1 : 0)
      if slowest[key].map({ $0.value < moment.value }) ?? true { slowest[key] = moment }
    }
    return slowest.values.sorted { ($0.time, $0.value) < ($1.time, $1.value) }
  }

  /// A point of throughput against latency.
  package struct Operation: Sendable {
    /// What was done in a second.
    package let throughput: Double
    /// How long it took, in milliseconds.
    package let latency: Double
    /// What tells the point apart: a second, a number of sessions.
    package let name: String

    /// A point by its parts.
    package init(throughput: Double, latency: Double, name: String) {
      self.throughput = throughput
      self.latency = latency
      self.name = name
    }

    /// As it stands in `report.json`.
    package var json: JSON {
      [
        "name": .string(name), "throughput": .decimal(throughput, places: 3),
        "latency_ms": .decimal(latency, places: 3),
      ]
    }
  }

  /// Throughput against latency: a point for each operation.
  /// - Parameters:
  ///   - title: The caption.
  ///   - points: In their order.
  ///   - unit: Of the throughput.
  ///   - isJoined: Whether a line goes from point to point.
  package static func throughput(
    _ title: String, _ points: [Operation], unit: String, isJoined: Bool = false
  ) -> HTML {
    if points.isEmpty { return "" }
    let x = Scale(0, max(points.map(\.throughput).max() ?? 1, 0.001), across: true)
    let y = Scale(0, max(points.map(\.latency).max() ?? 1, 0.001), across: false)
    let marks = points.map { point -> HTML in
      """
      <circle class="bar" cx="\(x(point.throughput))" cy="\(y(point.latency))" r="3" \
      data-name="\(point.name)" data-throughput="\(number(point.throughput))" \
      data-latency="\(number(point.latency))"><title>\(point.name): \(label(point.throughput)) \(unit), \
      \(label(point.latency)) ms</title></circle>
      """
    }
    let way = points.map { "\(x($0.throughput)),\(y($0.latency))" }.joined(separator: " ")
    let line: HTML = isJoined ? "<polyline class=\"line faint\" points=\"\(way)\"/>" : ""
    return figure(
      title,
      """
      \(axes(x, unit, y, "ms"))
      \(line)
      \(marks)
      """)
  }
}
