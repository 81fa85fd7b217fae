import Foundation

/// Rows of text with aligned columns.
struct TextTable: Sendable {
  /// Where the text of a column stands.
  enum Alignment: Sendable {
    case left, right
  }

  private let alignments: [Alignment]
  private var rows: [[String]]

  /// - Parameter heads: The columns' names, and where their text stands.
  init(_ heads: [(name: String, alignment: Alignment)]) {
    alignments = heads.map(\.alignment)
    rows = [heads.map(\.name)]
  }

  mutating func add(_ row: [String]) {
    precondition(row.count == alignments.count, "a row has a cell for each column")
    rows.append(row)
  }

  /// The lines, the names of the columns first.
  var lines: [String] {
    let widths = alignments.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = zip(zip(row, alignments), widths).map { cell, width in
        let pad = String(repeating: " ", count: width - cell.0.count)
        return cell.1 == .left ? cell.0 + pad : pad + cell.0
      }
      return cells.joined(separator: "  ").replacing(/[ ]+$/, with: "")
    }
  }
}

/// A number for people and for style sheets, with a point whatever the user's language has.
enum ShortNumber {
  /// Up to four significant digits.
  static func text(_ value: Double) -> String { text(value, .significantDigits(1...4)) }

  /// So many digits behind the point.
  static func text(_ value: Double, places: Int) -> String { text(value, .fractionLength(places)) }

  private static func text(
    _ value: Double, _ precision: NumberFormatStyleConfiguration.Precision
  ) -> String {
    guard value.isFinite else { return "–" }
    return value.formatted(
      .number.precision(precision).grouping(.never).locale(Locale(identifier: "en_US_POSIX")))
  }

  static func text(_ value: Double?) -> String { value.map { text($0) } ?? "–" }
}
