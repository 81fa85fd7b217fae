/// A piece of a page: interpolated text is escaped, interpolated pieces are not, so that text from
/// outside cannot become markup.
package struct HTML: Sendable, ExpressibleByStringInterpolation {
  /// The markup.
  package let text: String

  package init(stringLiteral value: String) { text = value }
  package init(stringInterpolation: Interpolation) { text = stringInterpolation.text }

  /// Pieces one after another, a line each.
  package init(_ parts: [HTML]) { text = parts.map(\.text).joined(separator: "\n") }

  /// Markup that is part of the program, as a style sheet is.
  package init(trusted text: String) { self.text = text }

  /// Builds a piece from its literal and its interpolated parts.
  package struct Interpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    package init(literalCapacity: Int, interpolationCount: Int) {
      text.reserveCapacity(literalCapacity)
    }

    package mutating func appendLiteral(_ literal: String) { text += literal }
    package mutating func appendInterpolation(_ piece: HTML) { text += piece.text }
    package mutating func appendInterpolation(_ pieces: [HTML]) { text += HTML(pieces).text }

    package mutating func appendInterpolation(_ value: some CustomStringConvertible) {
      for character in value.description.unicodeScalars {
        switch character {
        case "&": text += "&amp;"
        case "<": text += "&lt;"
        case ">": text += "&gt;"
        case "\"": text += "&quot;"
        case "'": text += "&#39;"
        // Characters that neither HTML nor XML may hold: text from outside can have any.
        case "\t", "\n", "\r": text.unicodeScalars.append(character)
        case _
        where character.value < 0x20 || character.value == 0xFFFE || character.value == 0xFFFF:
          text += "\u{FFFD}"
        default: text.unicodeScalars.append(character)
        }
      }
    }
  }
}

extension HTML {
  /// A table with a heading above it; nothing without rows.
  /// - Parameters:
  ///   - title: The heading.
  ///   - heads: The columns' names.
  ///   - rows: The cells of each row.
  package static func table(_ title: String, _ heads: [String], _ rows: [[String]]) -> HTML {
    if rows.isEmpty { return "" }
    let body = rows.map { row -> HTML in
      "<tr>\(row.map { cell -> HTML in "<td>\(cell)</td>" })</tr>"
    }
    return section(title, "<table>\(head(heads))<tbody>\(body)</tbody></table>")
  }

  /// The first row of a table.
  package static func head(_ names: [String]) -> HTML {
    let cells = names.map { name -> HTML in "<th scope=\"col\">\(name)</th>" }
    return "<thead><tr>\(cells)</tr></thead>"
  }

  /// A part of a page with its heading.
  package static func section(_ title: String, _ body: HTML) -> HTML {
    "<section><h2>\(title)</h2>\(body)</section>"
  }

  /// A large number and what it counts.
  package static func figure(_ value: String, _ unit: String) -> HTML {
    "<div><strong>\(value)</strong><span>\(unit)</span></div>"
  }
}
