/// A `report.html`: one page that needs nothing but itself, opens from disk and prints.
package struct ReportDocument: Sendable {
  /// On what, with which version and by which command line a report was made.
  package struct Origin: Sendable {
    /// The machine in a line.
    package var machine: String
    /// The program and its version.
    package var version: String
    /// What makes it again.
    package var command: String

    /// An origin by its parts.
    package init(machine: String, version: String, command: String) {
      self.machine = machine
      self.version = version
      self.command = command
    }
  }

  /// The page's title.
  package var title: String
  /// The first heading: how it ended.
  package var heading: String
  /// Whether it ended as it should.
  package var hasPassed: Bool
  /// What the heading leaves open, a paragraph each.
  package var lines: [String]
  /// When it was, in a line.
  package var time: String
  /// The parts of the page, in their order.
  package var sections: [HTML]
  /// Where it comes from.
  package var origin: Origin

  /// A page by its parts.
  package init(
    title: String, heading: String, hasPassed: Bool, lines: [String], time: String,
    sections: [HTML], origin: Origin
  ) {
    self.title = title
    self.heading = heading
    self.hasPassed = hasPassed
    self.lines = lines
    self.time = time
    self.sections = sections
    self.origin = origin
  }

  /// The page as a file, style included.
  package var text: String {
    let style = HTML(trusted: String(decoding: PackageResources.report_css, as: UTF8.self))
    let page: HTML = """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(title)</title>
      <style>\(style)</style>
      </head>
      <body>
      <header class="\(hasPassed ? "passed" : "failed")">
      <h1>\(heading)</h1>
      \(lines.map { line -> HTML in "<p>\(line)</p>" })
      <p class="quiet">\(time)</p>
      </header>
      <main>
      \(sections)
      \(repetition)
      </main>
      </body>
      </html>
      """
    return page.text + "\n"
  }

  private var repetition: HTML {
    HTML.section(
      "To repeat",
      """
      <p><code>\(origin.command)</code></p>
      <p class="quiet">\(origin.machine) · \(origin.version)</p>
      """)
  }
}
