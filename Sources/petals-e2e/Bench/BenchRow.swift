import Bloom
import Foundation
import PlumiseWire

/// One figure: the median of several runs, with the least and the greatest of them.
struct BenchRow: Sendable {
  let group: String
  let name: String
  let unit: String
  let values: [Double]
  /// The model that was measured, if one was.
  var model: String?
  /// How its weights are stored.
  var dtype: String?
  /// How keys and values were stored, where that was chosen.
  var cache: CacheType?
  /// How many sessions made the rate together; nil for other figures.
  var sessions: Int?
  /// The requests that the figure was made of, where they were timed one by one.
  var requests: [BenchRequest] = []

  /// The model with the type of its weights, and that of its cache where it is not the usual one.
  var modelName: String {
    let name = [model, dtype].compactMap(\.self).joined(separator: " ")
    return name + (cache?.benchSuffix ?? "")
  }

  /// - Parameters:
  ///   - values: one for each run, at least one.
  ///   - requests: those of all runs, where they were timed one by one.
  init(
    _ group: String, _ name: String, _ unit: String, _ values: [Double],
    requests: [BenchRequest] = []
  ) {
    precondition(!values.isEmpty, "\(name) was not measured")
    self.requests = requests
    self.group = group
    self.name = name
    self.unit = unit
    self.values = values.sorted()
  }

  var median: Double {
    let middle = values.count / 2
    return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
  }

  var json: JSON {
    var object: JSONObject = [
      "group": .string(group), "name": .string(name), "unit": .string(unit),
      "median": .decimal(median, places: 3), "least": .decimal(values[0], places: 3),
      "greatest": .decimal(values[values.count - 1], places: 3), "runs": .integer(values.count),
      "model": model.map(JSON.string) ?? .null,
      "dtype": dtype.map(JSON.string) ?? .null,
      "cache": cache.map { .string($0.rawValue) } ?? .null,
      "values": .array(values.map { .decimal($0, places: 3) }),
    ]
    if let sessions { object["sessions"] = .integer(sessions) }
    return .object(object)
  }

  /// One line of the table.
  func line(in style: TerminalStyle) -> String {
    let name = name.padding(toLength: 58, withPad: " ", startingAt: 0)
    let spread =
      values.count > 1 ? "  (\(Self.text(values[0])) – \(Self.text(values[values.count - 1])))" : ""
    let figure = unit.isEmpty ? Self.text(median) : "\(Self.text(median)) \(unit)"
    let group = style.faint(group.padding(toLength: 10, withPad: " ", startingAt: 0))
    return "\(group) \(name) \(style.strong(figure))\(style.faint(spread))"
  }

  /// Three digits say what a measurement can say.
  private static func text(_ value: Double) -> String {
    let places = abs(value) >= 100 ? 0 : abs(value) >= 10 ? 1 : 2
    return ShortNumber.text(value, places: places)
  }
}
