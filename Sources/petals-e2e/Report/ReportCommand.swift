import ArgumentParser
import Foundation
import PlumiseWire
import SystemErrors

/// `report`: reports side by side.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Compare reports of runs, loads or benchmarks, with each change and its spread.",
    discussion: """
      Each folder holds a report.json of `run`, `load` (soaks and sweeps too) or `bench`; all are compared with the
      first one. A change is called one where it is larger than the spread: of a load's figures, how far those of
      single seconds lie apart in both (the middle half of them), of a benchmark's those of single runs, of a soak's
      changes in an hour their intervals; other figures have none.

      EXAMPLE
        petals-e2e report before after
      """)

  @Argument(help: "Two folders of reports or more.", completion: .directory)
  var folders: [String]

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard folders.count >= 2 else {
      throw ValidationError("a comparison needs two folders or more: name another one")
    }
  }

  func run() throws {
    let reports = try folders.map { try StoredReport(folder: $0) }
    if let other = reports.first(where: { $0.schema != reports[0].schema }) {
      throw CommandFailure.wrongInput(
        "\(other.folder) is a report of \(other.schema), but \(reports[0].folder) one of "
          + "\(reports[0].schema): compare reports of one kind")
    }
    let comparison = ReportComparison(reports)
    output.result(comparison.json, text: comparison.text)
  }
}

/// A `report.json` that was written before.
struct StoredReport: Sendable {
  /// A figure of it.
  struct Figure: Sendable {
    let name: String
    let value: Double
    /// The distance of the quartiles of the same figure in single seconds or runs, or the width of its interval;
    /// nil where there are none.
    let spread: Double?
  }

  let folder: String
  let schema: String
  let figures: [Figure]

  /// - Throws: `CommandFailure` (wrong input) for a folder without a report that can be read.
  init(folder: String) throws {
    let path = URL(filePath: folder, directoryHint: .isDirectory).appending(path: "report.json")
    let json: JSON
    do {
      json = try JSON.parse(Array(try Data(contentsOf: path)))
    } catch let error as JSONError {
      throw CommandFailure.wrongInput("\(path.path) is no JSON: \(error.detail)")
    } catch {
      throw CommandFailure.wrongInput("cannot read \(path.path): \(error.systemReason)")
    }
    self.folder = folder
    let name = json["schema"]?.stringValue
    guard let reader = Self.readers.first(where: { $0.schema == name }) else {
      let known = Self.readers.map(\.schema)
      throw CommandFailure.wrongInput(
        "\(path.path) has the schema \(name ?? "of no name"), which this program does not read: "
          + "it reads \(known.dropLast().joined(separator: ", ")) and \(known[known.count - 1])")
    }
    schema = reader.schema
    figures = reader.read(json)
    guard !figures.isEmpty else {
      throw CommandFailure.wrongInput(
        "\(path.path) is a report of \(schema) without a figure that could be compared")
    }
  }

  /// The schemas whose figures are known.
  private static let readers: [(schema: String, read: @Sendable (JSON) -> [Figure])] = [
    (LoadReport.schema, loadFigures), (SoakReport.schema, soakFigures),
    (SweepReport.schema, sweepFigures), (FlowReport.schema, flowFigures),
    (BenchReport.schema, benchFigures),
  ]

  @Sendable
  private static func loadFigures(_ json: JSON) -> [Figure] {
    let seconds = json["series"]?.arrayValue ?? []
    func spread(_ name: String) -> Double? {
      Distribution(seconds.compactMap { $0[name]?.doubleValue }).middleHalf
    }
    var figures: [Figure] = []
    func add(_ name: String, _ value: JSON?, spread: Double? = nil) {
      if let value = value?.doubleValue {
        figures.append(Figure(name: name, value: value, spread: spread))
      }
    }
    add("requests a second", json["per_second"], spread: spread("succeeded"))
    add("good requests a second", json["goodput_per_second"])
    add("tokens a second", json["tokens_per_second"])
    for measure in [LoadMeasure.ttft, .tpot, .itl, .e2el] {
      let times = json[measure.rawValue + "_ms"]
      for (name, _) in Distribution.shares {
        let isInSeries = measure == .e2el && ["p50", "p99"].contains(name)
        add(
          "\(measure.rawValue) \(name) ms", times?[name],
          spread: isInSeries ? spread(name + "_ms") : nil)
      }
    }
    return figures
  }

  @Sendable
  private static func flowFigures(_ json: JSON) -> [Figure] {
    var figures: [Figure] = []
    func add(_ name: String, _ value: JSON?) {
      if let value = value?.doubleValue {
        figures.append(Figure(name: name, value: value, spread: nil))
      }
    }
    add("seconds", json["seconds"])
    add("ttft ms", json["generation"]?["ttft_ms"])
    add("itl p50 ms", json["itl_ms"]?["p50"])
    add("e2el p50 ms", json["e2el_ms"]?["p50"])
    add("tokens a second", json["generation"]?["tokens_per_second"])
    for step in json["steps"]?.arrayValue ?? [] {
      add("s: " + (step["step"]?.stringValue ?? ""), step["seconds"])
    }
    return figures
  }
}

extension StoredReport {
  /// The level of each series, and its change in an hour with the width of its interval for a spread.
  @Sendable
  fileprivate static func soakFigures(_ json: JSON) -> [Figure] {
    (json["series"]?.arrayValue ?? []).flatMap { series -> [Figure] in
      func number(_ name: String) -> Double? { series[name]?.doubleValue }
      let name = ["subject", "measure"].compactMap { series[$0]?.stringValue }
        .joined(separator: ": ")
      let unit = series["unit"]?.stringValue ?? ""
      let suffix = unit.isEmpty ? "" : ", \(unit)"
      var figures: [Figure] = []
      if let level = number("level") {
        figures.append(Figure(name: name + suffix, value: level, spread: nil))
      }
      if let slope = number("slope_per_hour") {
        let ends = [number("slope_per_hour_low"), number("slope_per_hour_high")].compactMap(\.self)
        figures.append(
          Figure(
            name: "\(name) an hour\(suffix)", value: slope,
            spread: ends.count == 2 ? ends[1] - ends[0] : nil))
      }
      return figures
    }
  }

  /// The throughput of each load of a sweep, and its latencies.
  @Sendable
  fileprivate static func sweepFigures(_ json: JSON) -> [Figure] {
    (json["rows"]?.arrayValue ?? []).flatMap { row -> [Figure] in
      let sessions = row["sessions"]?.integerValue.map { ", \($0) sessions" } ?? ""
      let name = (row["network"]?.stringValue ?? "") + sessions
      let values: [(String, JSON?)] = [
        (row["unit"]?.stringValue ?? "throughput", row["throughput"]),
        ("ttft p50 ms", row["ttft_ms"]?["p50"]), ("tpot p50 ms", row["tpot_ms"]?["p50"]),
        ("e2el p50 ms", row["e2el_ms"]?["p50"]), ("e2el p99 ms", row["e2el_ms"]?["p99"]),
      ]
      return values.compactMap { unit, value in
        value?.doubleValue.map { Figure(name: "\(name): \(unit)", value: $0, spread: nil) }
      }
    }
  }

  @Sendable
  fileprivate static func benchFigures(_ json: JSON) -> [Figure] {
    (json["rows"]?.arrayValue ?? []).compactMap { row in
      guard let value = row["median"]?.doubleValue else { return nil }
      let name = [row["group"], row["name"]].compactMap { $0?.stringValue }.joined(separator: ": ")
      let unit = row["unit"]?.stringValue ?? ""
      let values = (row["values"]?.arrayValue ?? []).compactMap(\.doubleValue)
      return Figure(
        name: unit.isEmpty ? name : "\(name), \(unit)", value: value,
        spread: Distribution(values).middleHalf)
    }
  }
}

extension Distribution {
  /// The distance of the quartiles; nil where there are fewer than four values.
  fileprivate var middleHalf: Double? {
    guard values.count >= 4, let low = percentile(0.25), let high = percentile(0.75) else {
      return nil
    }
    return high - low
  }
}

/// Reports side by side, the first one being what others are compared with.
struct ReportComparison: Sendable {
  /// A figure in each report, in their order.
  struct Row: Sendable {
    let name: String
    let values: [Double?]
    /// Of the values behind the first, against it: a share of it.
    let changes: [Double?]
    /// Of both, as a share of the first value; nil where one has none.
    let spreads: [Double?]
  }

  let folders: [String]
  let rows: [Row]

  init(_ reports: [StoredReport]) {
    folders = reports.map(\.folder)
    var names: [String] = []
    for figure in reports.flatMap(\.figures) where !names.contains(figure.name) {
      names.append(figure.name)
    }
    rows = names.map { name in
      let found = reports.map { report in report.figures.first { $0.name == name } }
      let first = found[0]
      let others = found.dropFirst()
      func share(_ value: Double?) -> Double? {
        guard let value, let first, first.value != 0 else { return nil }
        return value / first.value
      }
      return Row(
        name: name, values: found.map { $0?.value },
        changes: others.map { other in share(other.map { $0.value - (first?.value ?? 0) }) },
        spreads: others.map { other in
          guard let a = first?.spread, let b = other?.spread else { return nil }
          return share((a + b) / 2)
        })
    }
  }

  var json: JSON {
    [
      "reports": .array(folders.map { .string($0) }),
      "figures": .array(
        rows.map { row in
          func list(_ values: [Double?]) -> JSON {
            .array(values.map { $0.map { .decimal($0, places: 4) } ?? .null })
          }
          return [
            "name": .string(row.name), "values": list(row.values), "changes": list(row.changes),
            "spreads": list(row.spreads),
          ]
        }),
    ]
  }

  var text: String {
    let width = rows.map(\.name.count).max() ?? 0
    let columns = max(14, (folders.map(\.count).max() ?? 0) + 2)
    func left(_ text: String, _ width: Int) -> String {
      text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
    }
    let head = left("", width + 2) + folders.map { left($0, columns + 18) }.joined()
    let lines = rows.map { row in
      left(row.name, width + 2)
        + row.values.enumerated().map { index, value in
          let number = value.map(Self.number) ?? "–"
          return left(number + (index == 0 ? "" : "  " + note(row, index - 1)), columns + 18)
        }.joined()
    }
    return ([head] + lines).map { $0.replacing(/[ ]+$/, with: "") }.joined(separator: "\n")
  }

  /// `+12.0 % ± 3.0 %`, in brackets where the change is within the spread.
  private func note(_ row: Row, _ index: Int) -> String {
    guard let change = row.changes[index] else { return "" }
    let text = (change < 0 ? "" : "+") + Self.percent(change)
    guard let spread = row.spreads[index] else { return text }
    let whole = "\(text) ± \(Self.percent(spread))"
    return abs(change) > spread ? whole : "(\(whole))"
  }

  private static func percent(_ share: Double) -> String {
    (100 * share).formatted(
      .number.precision(.fractionLength(1)).grouping(.never)
        .locale(Locale(identifier: "en_US_POSIX"))) + " %"
  }

  private static func number(_ value: Double) -> String {
    value.formatted(
      .number.precision(.significantDigits(1...5)).grouping(.never)
        .locale(Locale(identifier: "en_US_POSIX")))
  }
}
