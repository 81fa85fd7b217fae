import ReportPages
import Testing

@Suite("Plots of lines")
struct LinePlotTests {
  private func line(_ name: String, _ points: [(Double, Double)]) -> Plot.Line {
    Plot.Line(name: name, points: points.map { (x: $0.0, y: $0.1) })
  }

  private func numbers(_ text: String, _ attribute: String) -> [Double] {
    text.matches(of: /([a-z-]+)="(-?[0-9.]+)"/).compactMap { match in
      match.output.1 == attribute ? Double(match.output.2) : nil
    }
  }

  @Test("Every point holds its numbers, and stands where the axes have them")
  func points() throws {
    var first = line("a<b", [(1, 10), (2, 15.25), (4, 20)])
    first.mark = (1, "knee: 2")
    let text = Plot.lines(
      "title", [first, line("flat", [(1, 0)])], across: "sessions", up: "ms", places: 2
    ).text
    #expect(numbers(text, "data-x") == [1, 2, 4, 1])
    #expect(numbers(text, "data-y") == [10, 15.25, 20, 0])
    let (x, y) = (Plot.Scale(1, 4, across: true), Plot.Scale(0, 20, across: false))
    #expect(numbers(text, "cx") == [x(1), x(2), x(4), x(1)])
    #expect(numbers(text, "cy") == [y(10), y(15.25), y(20), y(0)])
    #expect(text.contains("data-line=\"a&lt;b\"") && text.contains(">a&lt;b</text>"))
    #expect(text.contains(">knee: 2</text>") && numbers(text, "r") == [1.8, 5, 1.8, 1.8])
    // No colour of its own: the style sheet has those of light and of dark pages.
    #expect(!text.contains("#") && text.contains("series of-0") && text.contains("series of-1"))
  }

  @Test("The shade ends where points begin to count, within the axes", arguments: [0, 5, 10, 99])
  func shade(_ until: Double) throws {
    let text = Plot.lines(
      "t", [line("l", [(2, 1), (10, 2)])], across: "s", up: "", places: 4, shadedUntil: until
    ).text
    let widths = text.matches(of: /<rect class="shade"[^>]*? width="([0-9.]+)"/)
    let width = try #require(widths.first.flatMap { Double($0.output.1) })
    let end = Plot.Scale(2, 10, across: true)(min(10, max(2, until)))
    #expect(abs(width - (end - Plot.left)) < 0.01)
  }

  @Test("Without points there is no plot; lines beyond the colours take them again")
  func many() {
    #expect(Plot.lines("t", [line("l", [])], across: "s", up: "", places: 1).text.isEmpty)
    let lines = (0..<10).map { line("line \($0)", [(0, Double($0))]) }
    let text = Plot.lines("t", lines, across: "s", up: "", places: 1).text
    #expect(text.contains("of-7") && !text.contains("of-8"))
    #expect(text.matches(of: /<polyline/).count == 10)
  }
}
