import Foundation
import Synchronization

/// Lines at the end of a terminal's text that are drawn again as they change.
///
/// Each piece of work that goes on has a section of them. Whatever else is printed meanwhile stands above
/// (`aside`). They are drawn on standard error, and on a terminal only.
final class LiveLines: Sendable {
  /// Those of this process: a terminal has one end.
  static let standardError = LiveLines(
    isDrawn: TerminalTraits(.error).redraws,
    columns: { StandardStream.error.columns },
    write: { StandardStream.error.writeDirectly($0) })

  /// The lines of one piece of work.
  struct Section: Sendable {
    fileprivate let id: Int
    fileprivate let lines: LiveLines

    /// Replaces the section's lines.
    func show(_ text: [String]) { lines.change { $0[id] = text } }

    /// Takes the section's lines away.
    func end() { lines.change { $0[id] = nil } }
  }

  private struct State {
    var nextID = 0
    var sections: [Int: [String]] = [:]
    /// How many lines are on the screen.
    var drawn = 0
  }

  /// Whether there is anything to see.
  let isDrawn: Bool
  private let columns: @Sendable () -> Int
  private let write: @Sendable (String) -> Void
  private let state = Mutex(State())

  /// - Parameters:
  ///   - isDrawn: Whether lines are drawn at all.
  ///   - columns: The width of the terminal; longer lines are cut, since one that wraps is two.
  ///   - write: Puts text on the terminal.
  init(
    isDrawn: Bool, columns: @escaping @Sendable () -> Int,
    write: @escaping @Sendable (String) -> Void
  ) {
    self.isDrawn = isDrawn
    self.columns = columns
    self.write = write
  }

  /// A new section, below those that there are.
  func section() -> Section {
    state.withLock { state in
      state.nextID += 1
      return Section(id: state.nextID, lines: self)
    }
  }

  /// Prints something else, above the lines.
  func aside(_ print: () -> Void) {
    guard isDrawn else { return print() }
    state.withLock { state in
      guard state.drawn > 0 else { return print() }
      write(Self.erasure(of: state.drawn))
      print()
      draw(&state, erasing: false)
    }
  }

  private func change(_ change: (inout [Int: [String]]) -> Void) {
    guard isDrawn else { return }
    state.withLock { state in
      let before = state.sections
      change(&state.sections)
      if state.sections != before { draw(&state, erasing: true) }
    }
  }

  private func draw(_ state: inout State, erasing: Bool) {
    let width = columns()
    let lines = state.sections.sorted { $0.key < $1.key }.flatMap(\.value)
      .map { $0.cut(toColumns: width) }
    let erasure = erasing && state.drawn > 0 ? Self.erasure(of: state.drawn) : ""
    // One write, so that nothing flickers.
    write(erasure + lines.map { $0 + "\n" }.joined())
    state.drawn = lines.count
  }

  /// Up so many lines, and what is below erased (ECMA-48: CUU, ED).
  private static func erasure(of lines: Int) -> String { "\r\u{1B}[\(lines)A\u{1B}[J" }
}

extension String {
  /// The text as far as it fits; codes of colours have no width.
  func cut(toColumns columns: Int) -> String {
    var result = ""
    var width = 0
    var isInCode = false
    for character in self {
      if isInCode {
        result.append(character)
        if character.isLetter { isInCode = false }
      } else if character == "\u{1B}" {
        isInCode = true
        result.append(character)
      } else if width < columns {
        width += 1
        result.append(character)
      }
    }
    return result
  }
}
