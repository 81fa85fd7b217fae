import Foundation
import PlumiseWire
import ReportPages

/// What is reported of measurements: `report.json` of the schema `petals-e2e/bench/1`.
struct BenchReport: Sendable {
  static let schema = "petals-e2e/bench/1"

  let started: Date
  var duration = Duration.zero
  var rows: [BenchRow] = []

  var json: JSON {
    [
      "schema": .string(Self.schema), "started": .string(started.formatted(.iso8601)),
      "seconds": .seconds(duration), "version": .string(PetalsE2E.release),
      "command": .array(CommandLine.arguments.map { .string($0) }), "machine": Machine.current.json,
      "rows": .array(rows.map(\.json)),
      "plots": [
        "throughput": .array(
          throughputs.map { name, points in
            ["name": .string(name), "points": .array(points.map(\.json))]
          })
      ],
    ]
  }

  /// A line of JSON for each request that was timed by itself.
  var requestLines: some Sequence<String> {
    rows.lazy.flatMap { row in row.requests.lazy.map { $0.json(of: row).text + "\n" } }
  }

  /// Rates of several sessions at once, against the time of a token of one of them.
  ///
  /// Of N sessions that make R tokens a second together, each waits N / R seconds for a token.
  private var throughputs: [(name: String, points: [Plot.Operation])] {
    let models = Self.unique(rows.filter { $0.sessions != nil }.map(\.modelName))
    return models.map { model in
      let points = rows.filter { $0.modelName == model }.compactMap { row -> Plot.Operation? in
        guard let sessions = row.sessions, row.median > 0 else { return nil }
        return Plot.Operation(
          throughput: row.median, latency: 1000 * Double(sessions) / row.median,
          name: "\(sessions) sessions")
      }
      return (model, points)
    }
  }

  private static func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  /// `report.html`: one page that needs nothing but itself.
  var page: String {
    ReportDocument(
      title: "petals-e2e bench", heading: "\(rows.count) figures", hasPassed: true,
      lines: Machine.isDebugBuild ? ["This is a debug build: its figures are of no use."] : [],
      time: "\(started.formatted(.iso8601)) · \(Plot.label(duration / .seconds(1))) s",
      sections: Self.unique(rows.map(\.group)).map(section) + [throughputSection],
      origin: .ofThisCommand
    ).text
  }

  private func section(_ group: String) -> HTML {
    let own = rows.filter { $0.group == group }
    let plots = Self.unique(own.map(\.unit)).map { unit in
      Plot.ranges(
        unit.isEmpty ? "\(group), without a unit" : "\(group), in \(unit)",
        own.filter { $0.unit == unit }.map {
          Plot.Range(name: $0.name, values: $0.values, median: $0.median)
        }, unit: unit)
    }
    let cells = own.map { row -> HTML in
      let numbers = [row.median, row.values[0], row.values[row.values.count - 1]].map(Plot.number)
      return """
        <tr><td>\(row.name)</td>\
        \(numbers.map { number -> HTML in "<td class=\"number\">\(number)</td>" })\
        <td>\(row.unit)</td><td class="number">\(row.values.count)</td></tr>
        """
    }
    let heads = ["figure", "median", "least", "greatest", "unit", "runs"]
    return HTML.section(
      group, "\(plots)\n<table>\(HTML.head(heads))<tbody>\(cells)</tbody></table>")
  }

  private var throughputSection: HTML {
    let found = throughputs
    if found.isEmpty { return "" }
    return HTML.section(
      "Throughput against latency",
      HTML(
        found.map { name, points in
          Plot.throughput(
            "\(name): tokens of all sessions against the time of a token of one", points,
            unit: "tokens/s", isJoined: true)
        }))
  }
}
