import Bloom
import Foundation
import PlumiseWire
import ReportPages

/// What is reported of a sweep: `report.json` of the schema `petals-e2e/sweep/1`.
struct SweepReport: Sendable {
  static let schema = "petals-e2e/sweep/1"

  /// One load of it.
  struct Row: Sendable {
    /// The blocks of each node, or the target's URL.
    let network: String
    /// Empty for a target that was there.
    let blocks: [BlockRange]
    let sessions: Int
    let figures: LoadFigures

    /// Tokens a second, or requests where there are no tokens.
    var throughput: Double {
      figures.tokens > 0 ? figures.perSecond(figures.tokens) : figures.rate
    }
    var unit: String { figures.tokens > 0 ? "tokens a second" : "requests a second" }

    func time(_ measure: LoadMeasure, _ share: Double) -> Double? {
      figures.distributions[measure]?.percentile(share)
    }

    var json: JSON {
      var object: JSONObject = [
        "network": .string(network), "nodes": .integer(blocks.count),
        "blocks": .array(blocks.map { .string("\($0)") }), "sessions": .integer(sessions),
        "throughput": .decimal(throughput, places: 2), "unit": .string(unit),
      ]
      for member in figures.json.members { object[member.key] = member.value }
      return .object(object)
    }
  }

  /// The knee of one network's curve.
  struct NetworkKnee: Sendable {
    let network: String
    let row: Row?
  }

  let started: Date
  let course: JSON
  let generation: JSON
  var duration = Duration.zero
  var rows: [Row] = []
  /// Why the sweep ended before its last load; nil when it did not.
  var failure: String?

  init(started: Date, course: JSON, generation: JSON) {
    (self.started, self.course, self.generation) = (started, course, generation)
  }

  /// The networks in the order in which they were measured.
  var networks: [String] {
    rows.reduce(into: []) { if !$0.contains($1.network) { $0.append($1.network) } }
  }

  /// Where each network's throughput over sessions has its knee; of curves of three points and
  /// more.
  var knees: [NetworkKnee] {
    networks.map { name in
      let own = rows.filter { $0.network == name }
      let index = Knee.index(own.map { (Double($0.sessions), $0.throughput) })
      return NetworkKnee(network: name, row: index.map { own[$0] })
    }
  }

  var seconds: Double { duration / .seconds(1) }

  /// The failure of the loads' requests together; nil when all is well.
  var requestFailure: CommandFailure? {
    let failed = rows.reduce(0) { $0 + $1.figures.sent - $1.figures.succeeded }
    if failed > 0 { return .failed("\(failed) requests failed") }
    return rows.lazy.compactMap(\.figures.failure).first
  }

  var json: JSON {
    [
      "schema": .string(Self.schema), "started": .string(started.formatted(.iso8601)),
      "command": .array(CommandLine.arguments.map { .string($0) }), "machine": Machine.current.json,
      "version": .string(PetalsE2E.release), "course": course, "generation": generation,
      "seconds": .seconds(duration), "failure": failure.map { .string($0) } ?? .null,
      "rows": .array(rows.map(\.json)), "knee_rule": "kneedle",
      "knees": .array(
        knees.map { knee in
          [
            "network": .string(knee.network),
            "sessions": knee.row.map { .integer($0.sessions) } ?? .null,
            "throughput": knee.row.map { .decimal($0.throughput, places: 2) } ?? .null,
          ]
        }),
    ]
  }

  /// The table.
  var lines: [String] {
    var table = TextTable([
      ("network", .left), ("sessions", .right), ("throughput", .right), ("", .left),
      ("ttft p50", .right), ("tpot p50", .right), ("e2el p50", .right), ("p99 ms", .right),
      ("failed", .right),
    ])
    for row in rows {
      table.add([
        row.network, "\(row.sessions)", ShortNumber.text(row.throughput), row.unit,
        ShortNumber.text(row.time(.ttft, 0.5)), ShortNumber.text(row.time(.tpot, 0.5)),
        ShortNumber.text(row.time(.e2el, 0.5)), ShortNumber.text(row.time(.e2el, 0.99)),
        "\(row.figures.sent - row.figures.succeeded)",
      ])
    }
    return table.lines
  }

  func text(in style: TerminalStyle) -> String {
    let found = knees.map { knee in
      knee.row.map { row in
        style.strong(
          "\(knee.network): the knee is at \(row.sessions) sessions, "
            + "\(ShortNumber.text(row.throughput)) \(row.unit) (Kneedle)")
      } ?? "\(knee.network): no knee among these numbers of sessions (Kneedle)"
    }
    return (lines + found).joined(separator: "\n")
  }
}

/// `report.html` of a sweep: its table, throughput and latency over sessions, and one against the
/// other.
enum SweepPage {
  static func render(_ report: SweepReport) -> String {
    let unit = report.rows.first?.unit ?? ""
    let knees = report.knees.map { knee in
      [
        knee.network, knee.row.map { "\($0.sessions)" } ?? "none among these numbers",
        ShortNumber.text(knee.row?.throughput),
      ]
    }
    let rows = report.rows.map { row in
      [
        row.network, "\(row.sessions)", ShortNumber.text(row.throughput),
        ShortNumber.text(row.time(.ttft, 0.5)), ShortNumber.text(row.time(.tpot, 0.5)),
        ShortNumber.text(row.time(.e2el, 0.5)), ShortNumber.text(row.time(.e2el, 0.99)),
        "\(row.figures.sent - row.figures.succeeded)",
      ]
    }
    let failures = [report.failure, report.requestFailure?.description].compactMap(\.self)
    return ReportDocument(
      title: "petals-e2e sweep",
      heading: heading(report),
      hasPassed: failures.isEmpty, lines: failures,
      time: "\(report.started.formatted(.iso8601)) · \(ShortNumber.text(report.seconds)) s",
      sections: [
        HTML.table(
          "Loads",
          [
            "network", "sessions", unit, "ttft p50 ms", "tpot p50 ms", "e2el p50 ms", "p99 ms",
            "failed",
          ], rows),
        HTML.table(
          "Knees, by Kneedle (Satopää and others, 2011)",
          ["network", "sessions", unit], knees),
        HTML.section(
          "Plots",
          HTML([
            overSessions(report, unit), latency(report), against(report, unit),
            overNodes(report, unit),
          ])),
      ], origin: .ofThisCommand
    ).text
  }

  private static func heading(_ report: SweepReport) -> String {
    let requests = report.requestFailure == nil ? "no request failed" : "requests failed"
    let ending = report.failure == nil ? "" : ", and the sweep ended early"
    return "\(report.rows.count) loads, \(requests)\(ending)"
  }

  private static func lines(
    _ report: SweepReport, _ point: (SweepReport.Row) -> (x: Double, y: Double)?
  ) -> [Plot.Line] {
    report.networks.map { name in
      Plot.Line(
        name: name, points: report.rows.filter { $0.network == name }.compactMap(point))
    }
  }

  private static func overSessions(_ report: SweepReport, _ unit: String) -> HTML {
    var lines = lines(report) { (Double($0.sessions), $0.throughput) }
    for (index, knee) in report.knees.enumerated() {
      guard let row = knee.row,
        let place = lines[index].points.firstIndex(where: { $0.x == Double(row.sessions) })
      else { continue }
      lines[index].mark = (place, "knee: \(row.sessions)")
    }
    return Plot.lines(
      "Throughput over sessions", lines, across: "sessions", up: unit, places: 2)
  }

  private static func latency(_ report: SweepReport) -> HTML {
    Plot.lines(
      "p99 of the latency over sessions",
      lines(report) { row in row.time(.e2el, 0.99).map { (Double(row.sessions), $0) } },
      across: "sessions", up: "ms", places: 3)
  }

  private static func against(_ report: SweepReport, _ unit: String) -> HTML {
    Plot.lines(
      "Median latency against throughput",
      lines(report) { row in row.time(.e2el, 0.5).map { (row.throughput, $0) } }, across: unit,
      up: "ms", places: 3)
  }

  /// Of the fewest and the most sessions, where there are several numbers of nodes.
  private static func overNodes(_ report: SweepReport, _ unit: String) -> HTML {
    let counts = Set(report.rows.map(\.sessions))
    let shown = Set([counts.min(), counts.max()].compactMap { $0 }).sorted()
    let lines = shown.map { sessions in
      Plot.Line(
        name: "\(sessions) sessions",
        points: report.rows.filter { $0.sessions == sessions && isEven($0.blocks) }
          .map { (Double($0.blocks.count), $0.throughput) })
    }
    let isSweep = Set(report.rows.map(\.blocks.count)).count > 1
    return Plot.lines(
      "Throughput over nodes", isSweep ? lines : [], across: "nodes", up: unit, places: 2)
  }

  /// Whether the blocks are shared as `nodes=` shares them: no node has two more than another.
  private static func isEven(_ blocks: [BlockRange]) -> Bool {
    let counts = blocks.map(\.count)
    return (counts.max() ?? 0) - (counts.min() ?? 0) <= 1
  }
}
