import Foundation
import Synchronization

/// Lines at the end of a terminal's text that are drawn again as they change.
///
/// Each piece of work that goes on has a section of them. Whatever else is printed meanwhile stands
/// above (`aside`). They are drawn on standard error, and on a terminal only; where it has fewer
/// rows than there are lines, the last ones are drawn.
package final class LiveLines: Sendable {
  /// Those of this process: a terminal has one end.
  static let standardError = LiveLines(
    isDrawn: TerminalTraits(.error).redraws,
    size: { StandardStream.error.size },
    write: { StandardStream.error.writeDirectly($0) })

  /// The lines of one piece of work.
  package struct Section: Sendable {
    fileprivate let id: Int
    fileprivate let lines: LiveLines

    /// Replaces the section's lines; nothing once the section has ended.
    package func show(_ text: [String]) {
      lines.change { sections in
        // Whoever draws may be late: a timer that is cancelled has its last turn all the same.
        if sections[id] != nil { sections[id] = text }
      }
    }

    /// Takes the section's lines away, for good.
    package func end() { lines.change { $0[id] = nil } }
  }

  private struct State {
    var nextID = 0
    /// The lines of the sections that have not ended.
    var sections: [Int: [String]] = [:]
    /// How many lines are on the screen.
    var drawn = 0
  }

  /// Whether there is anything to see.
  let isDrawn: Bool
  private let size: @Sendable () -> (columns: Int, rows: Int)
  private let write: @Sendable (String) -> Void
  private let state = Mutex(State())

  /// - Parameters:
  ///   - isDrawn: Whether lines are drawn at all.
  ///   - size: The width and the height of the terminal. Longer lines are cut, since one that wraps
  ///     is two; lines above the first row could not be erased any more.
  ///   - write: Puts text on the terminal.
  package init(
    isDrawn: Bool, size: @escaping @Sendable () -> (columns: Int, rows: Int),
    write: @escaping @Sendable (String) -> Void
  ) {
    self.isDrawn = isDrawn
    self.size = size
    self.write = write
  }

  /// A new section, below those that there are.
  package func section() -> Section {
    state.withLock { state in
      state.nextID += 1
      if isDrawn { state.sections[state.nextID] = [] }
      return Section(id: state.nextID, lines: self)
    }
  }

  /// Prints something else, above the lines.
  package func aside(_ print: () -> Void) {
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
    let (columns, rows) = size()
    // The cursor stands in the row below the lines.
    let lines = state.sections.sorted { $0.key < $1.key }.flatMap(\.value)
      .suffix(max(0, rows - 1)).map { $0.forTerminal.cut(toColumns: columns) }
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
