import Synchronization
import Testing
import petals_e2e

/// A terminal of so many rows, as far as lines that are drawn again need one: line feeds that
/// scroll, the cursor up (CUU), and erasing to the end (ED).
private final class Screen: Sendable {
  private struct State {
    var rows = [""]
    var cursor = 0
    var scrolledOff: [String] = []
  }

  private let height: Int
  private let state = Mutex(State())

  init(height: Int) { self.height = height }

  /// The rows that hold anything, from top to bottom.
  var rows: [String] { state.withLock { $0.rows.filter { !$0.isEmpty } } }
  /// What has left the screen at its top, and cannot be erased any more.
  var scrolledOff: [String] { state.withLock { $0.scrolledOff } }

  func write(_ text: String) {
    state.withLock { state in
      var rest = text.unicodeScalars[...]
      while let scalar = rest.popFirst() {
        switch scalar {
        case "\n": lineFeed(&state)
        case "\r": break
        case "\u{1B}":
          let code = rest.prefix { !$0.properties.isAlphabetic }
          rest.removeFirst(code.count)
          let count = Int(String(code).dropFirst()) ?? 1
          switch rest.popFirst() {
          case "A": state.cursor = max(0, state.cursor - count)
          case "J":
            for row in state.rows.indices where row >= state.cursor { state.rows[row] = "" }
          default: Issue.record("the code \(code) is none that lines need")
          }
        default: state.rows[state.cursor].unicodeScalars.append(scalar)
        }
      }
    }
  }

  private func lineFeed(_ state: inout State) {
    state.cursor += 1
    if state.cursor == state.rows.count { state.rows.append("") }
    if state.rows.count > height {
      state.scrolledOff.append(state.rows.removeFirst())
      state.cursor -= 1
    }
  }
}

@Suite("Lines that are drawn again")
struct LiveLinesTests {
  private func lines(on screen: Screen, rows: Int) -> LiveLines {
    LiveLines(isDrawn: true, size: { (80, rows) }, write: { screen.write($0) })
  }

  @Test(
    "Of more lines than a terminal has the last ones are drawn, and none is left",
    arguments: [1, 2, 5, 24, 66, 67, 100])
  func tall(_ height: Int) {
    let screen = Screen(height: height)
    let lines = lines(on: screen, rows: height)
    let section = lines.section()
    for drawing in 1...3 {
      section.show((1...66).map { "row \($0) of drawing \(drawing)" })
      // What was printed before stands above, as far as there is room.
      #expect(screen.rows.count == min(66 + drawing - 1, height - 1))
      #expect(screen.rows.last == (height > 1 ? "row 66 of drawing \(drawing)" : nil))
      lines.aside { screen.write("printed \(drawing)\n") }
    }
    section.end()
    #expect(screen.scrolledOff + screen.rows == ["printed 1", "printed 2", "printed 3"])
  }

  @Test("A section that has ended is not drawn any more, whoever is late")
  func late() {
    let screen = Screen(height: 24)
    let lines = lines(on: screen, rows: 24)
    let (first, second) = (lines.section(), lines.section())
    first.show(["first"])
    second.show(["second"])
    first.end()
    first.show(["late"])
    #expect(screen.rows == ["second"])
    second.end()
    second.show(["later"])
    #expect(screen.rows.isEmpty)
    // Another one is drawn as ever.
    lines.section().show(["third"])
    #expect(screen.rows == ["third"])
  }

  @Test("Sections stand in their order, and what they hold cannot move the cursor")
  func order() {
    let screen = Screen(height: 24)
    let lines = lines(on: screen, rows: 24)
    let (first, second) = (lines.section(), lines.section())
    second.show(["b"])
    first.show(["a\u{1B}[5A\u{1B}[J\r"])
    #expect(screen.rows == ["a␛[5A␛[J␍", "b"])
  }
}
