import ArgumentParser
import Foundation

/// When what is printed has colours.
enum ColorChoice: String, CaseIterable, ExpressibleByArgument {
  /// On a terminal, unless `NO_COLOR` is set.
  case auto
  case always
  case never
}

/// What a terminal is able and allowed to show.
struct TerminalTraits: Sendable {
  /// Whether text may have colours when nothing else is asked for.
  let takesColors: Bool
  /// Whether lines that were printed may be drawn again.
  let redraws: Bool

  /// - Parameters:
  ///   - isTerminal: Whether the stream is one.
  ///   - environment: The variables that matter: `NO_COLOR` (no-color.org: any value but none),
  ///     `CI` and `TERM`.
  init(isTerminal: Bool, environment: [String: String]) {
    func isSet(_ name: String) -> Bool { environment[name].map { !$0.isEmpty } ?? false }
    let isAble = isTerminal && environment["TERM"] != "dumb" && !isSet("CI")
    redraws = isAble
    takesColors = isAble && !isSet("NO_COLOR")
  }

  /// Those of a stream of this process.
  init(_ stream: StandardStream) {
    self.init(
      isTerminal: stream.isTerminal, environment: ProcessInfo.processInfo.environment)
  }
}

/// Colours for text, or none.
///
/// The codes are those of ECMA-48 (SGR), which every terminal has.
struct TerminalStyle: Sendable {
  /// A colour or a weight, by the number that ECMA-48 gives it.
  private enum Rendition: String, CaseIterable {
    case off = "0"
    case strong = "1"
    case faint = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"

    var code: String { "\u{1B}[\(rawValue)m" }
  }

  /// Text without colours.
  static let plain = TerminalStyle(isColored: false)

  let isColored: Bool

  init(isColored: Bool) { self.isColored = isColored }

  /// - Parameters:
  ///   - choice: What the user asked for, which counts more than the environment.
  ///   - stream: Where the text goes.
  init(_ choice: ColorChoice, on stream: StandardStream) {
    switch choice {
    case .always: isColored = true
    case .never: isColored = false
    case .auto: isColored = TerminalTraits(stream).takesColors
    }
  }

  func good(_ text: String) -> String { coded(text, .green) }
  func bad(_ text: String) -> String { coded(text, .red) }
  func warning(_ text: String) -> String { coded(text, .yellow) }
  func faint(_ text: String) -> String { coded(text, .faint) }
  func strong(_ text: String) -> String { coded(text, .strong) }

  private func coded(_ text: String, _ rendition: Rendition) -> String {
    isColored && !text.isEmpty ? rendition.code + text + Rendition.off.code : text
  }

  /// The code that a text begins with; nil for one that begins with none of these.
  static func code(at text: Substring.UnicodeScalarView) -> String? {
    Rendition.allCases.map(\.code).first { text.starts(with: $0.unicodeScalars) }
  }
}
