import JSONValues
import ReportPages
import Testing

@Suite("HTML of reports")
struct HTMLTests {
  @Test("Text from outside cannot become markup, nor break the file")
  func escaping() {
    let outside = "<b>\"'&\u{0}\u{1B}\n"
    let piece: HTML = "<p title=\"\(outside)\">\(outside)</p>"
    let escaped = "&lt;b&gt;&quot;&#39;&amp;\u{FFFD}\u{FFFD}\n"
    #expect(piece.text == "<p title=\"\(escaped)\">\(escaped)</p>")
    let nested: HTML = "<ul>\([piece, piece])</ul>"
    #expect(nested.text == "<ul>\(piece.text)\n\(piece.text)</ul>")
  }

  @Test("A page has its style, its heading and what makes it again, and loads nothing")
  func document() {
    let page = ReportDocument(
      title: "t<", heading: "h", hasPassed: false, lines: ["l"], time: "now",
      sections: [HTML.table("rows", ["a", "b"], [["1", "<2>"]])],
      origin: .init(machine: "m", version: "v", command: "c --x")
    ).text
    #expect(page.hasPrefix("<!doctype html>") && page.contains("<title>t&lt;</title>"))
    #expect(page.contains("<header class=\"failed\">") && page.contains("<code>c --x</code>"))
    #expect(page.contains("<td>&lt;2&gt;</td>") && page.contains("prefers-color-scheme: dark"))
    #expect(page.contains("@media print"))
    for other in ["src=", "href=", "http:", "https:", "@import", "url("] {
      #expect(!page.contains(other), "the page needs \(other)")
    }
  }
}

@Suite("Plots of reports")
struct PlotTests {
  @Test(
    "Up to six round numbers stand beside an axis, within it",
    arguments: [
      (0.0, 1.0), (0, 7), (3.2, 3.9), (0, 1234), (-4, 4), (0.001, 0.0042), (0, 60_000),
    ])
  func ticks(_ from: Double, _ to: Double) {
    let ticks = Plot.Scale(from, to, across: true).ticks
    #expect((2...6).contains(ticks.count), "\(ticks)")
    #expect(ticks.allSatisfy { $0 >= from - 1e-9 && $0 <= to + 1e-9 }, "\(ticks)")
    let steps = zip(ticks, ticks.dropFirst()).map { $1 - $0 }
    #expect(steps.allSatisfy { abs($0 - steps[0]) < 1e-9 * max(1, abs(to)) })
  }

  @Test("An axis without a length has one number")
  func flat() {
    #expect(Plot.Scale(2, 2, across: true).ticks == [2])
    #expect(Plot.Scale(2, 2, across: true)(2) == Plot.left)
  }

  @Test("Of too many moments the slowest of each piece of time and outcome is drawn")
  func thinned() {
    let moments = (0..<10_000).map {
      Plot.Moment(time: Double($0), value: Double($0 % 7), succeeded: $0 % 100 != 0)
    }
    let drawn = Plot.thinned(moments, from: 0, to: 10_000)
    #expect(drawn.count <= Plot.maximumMoments && drawn.count > Plot.maximumMoments / 2)
    // A hundred failed, each in a piece of its own.
    #expect(drawn.count { !$0.succeeded } == 100)
    #expect(drawn.filter(\.succeeded).allSatisfy { $0.value == 6 })
    #expect(Plot.thinned(Array(moments.prefix(10)), from: 0, to: 10).count == 10)
  }

  @Test("Marks hold the numbers of report.json")
  func numbers() {
    let html = Plot.distribution(
      "itl", caption: "c", bars: [.init(from: 1.23456, to: 2.5, count: 3)],
      shares: [(1.2, 0), (2.5, 1)])
    #expect(html.text.contains("data-from=\"1.235\" data-to=\"2.5\" data-count=\"3\""))
    let point = Plot.Operation(throughput: 12.3456, latency: 2, name: "4 sessions")
    #expect(point.json["throughput"]?.text == "12.346")
    let plot = Plot.throughput("t", [point], unit: "a second")
    #expect(plot.text.contains("data-throughput=\"12.346\" data-latency=\"2.0\""))
    let ranges = Plot.ranges(
      "r", [.init(name: "open", values: [1, 2, 4], median: 2)], unit: "ms")
    #expect(ranges.text.contains("data-median=\"2.0\""))
    #expect(ranges.text.split(separator: "data-value=").count == 4)
  }
}
