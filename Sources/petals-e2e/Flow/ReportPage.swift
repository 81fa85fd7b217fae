import Foundation

/// `report.html`: the run on one page that needs nothing but itself.
enum ReportPage {
  static func render(_ report: FlowReport) -> String {
    let page: HTML = """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>petals-e2e: \(report.passed ? "passed" : "failed")</title>
      <style>\(ReportStyle.sheet)</style>
      </head>
      <body>
      <header class="\(report.passed ? "passed" : "failed")">
      <h1>\(report.passed ? "✓ The whole flow ran" : "✗ The flow failed")</h1>
      <p>\(report.failure ?? "Every step passed.")</p>
      <p class="quiet">\(report.started.formatted(.iso8601)) · \(seconds(report.duration)) s</p>
      </header>
      <main>
      \(figures(report))
      \(steps(report.steps))
      \(generation(report.generation))
      \(agents(report.agents))
      \(services(report.services))
      \(model(report.model))
      <section><h2>To repeat</h2><p><code>\(CommandLine.arguments.joined(separator: " "))</code></p>
      <p class="quiet">\(Machine.current.line) · petals-e2e \(PetalsE2E.release)</p></section>
      </main>
      </body>
      </html>
      """
    return page.text + "\n"
  }

  private static func seconds(_ duration: Duration) -> String {
    (duration / .seconds(1)).formatted(.number.precision(.fractionLength(2)))
  }

  private static func figures(_ report: FlowReport) -> HTML {
    guard let generation = report.generation else { return "" }
    let first = (generation.timeToFirstToken ?? .zero) / .milliseconds(1)
    let rate = generation.tokensPerSecond.formatted(.number.precision(.fractionLength(1)))
    return """
      <section class="figures">
      \(figure("\(generation.generatedIDs.count)", "tokens"))
      \(figure(rate, "tokens a second"))
      \(figure(first.formatted(.number.precision(.fractionLength(0))), "ms to the first token"))
      \(figure("\(report.agents.count)", "nodes"))
      \(figure("\(report.steps.count(where: \.passed)) / \(report.steps.count)", "steps passed"))
      </section>
      """
  }

  private static func figure(_ value: String, _ unit: String) -> HTML {
    "<div><strong>\(value)</strong><span>\(unit)</span></div>"
  }

  /// Each step with a bar that shows when it began and how long it took.
  private static func steps(_ steps: [Step]) -> HTML {
    let total = max(0.001, steps.reduce(0) { $0 + $1.duration / .seconds(1) })
    var begin = 0.0
    let rows = steps.map { step -> HTML in
      let length = step.duration / .seconds(1)
      defer { begin += length }
      let left = percent(begin / total)
      let width = percent(max(0.004, length / total))
      return """
        <tr class="\(step.passed ? "passed" : "failed")">
        <td>\(step.passed ? "✓" : "✗") \(step.title)</td>
        <td class="number">\(seconds(step.duration)) s</td>
        <td class="time"><i style="margin-left:\(left)%;width:\(width)%"></i></td>
        <td class="quiet">\(step.detail)</td>
        </tr>
        """
    }
    return "<section><h2>Steps</h2><table>\(rows)</table></section>"
  }

  private static func generation(_ generation: FlowReport.Generation?) -> HTML {
    guard let generation else { return "" }
    let ids = generation.generatedIDs.map(String.init).joined(separator: " ")
    let prompt = generation.prompt ?? generation.promptIDs.map(String.init).joined(separator: " ")
    return """
      <section><h2>Generated</h2>
      <blockquote><b>\(prompt)</b>\(generation.text ?? "")</blockquote>
      <details><summary>token ids</summary><code>\(ids)</code></details>
      </section>
      """
  }

  private static func agents(_ agents: [FlowReport.Agent]) -> HTML {
    table(
      "Agents", ["address", "blocks", "tokens at the oracle", "proofs on chain"],
      agents.map { agent in
        [
          agent.address, agent.blocks, agent.tokensStored.map(String.init) ?? "–",
          "\(agent.proofsVerified)",
        ]
      })
  }

  private static func services(_ services: [FlowReport.Service]) -> HTML {
    table(
      "Processes", ["service", "URL", "process"],
      services.map { [$0.name, $0.url, "\($0.processID)"] })
  }

  private static func model(_ model: FlowReport.Model?) -> HTML {
    guard let model else { return "" }
    return table(
      "Model", ["name", "blocks", "parameters", "dtype", "fingerprint", "folder"],
      [
        [
          model.name, "\(model.blocks)", model.parameters.formatted(), model.elementType,
          String(model.fingerprint.prefix(16)), model.directory,
        ]
      ])
  }

  private static func table(_ title: String, _ heads: [String], _ rows: [[String]]) -> HTML {
    if rows.isEmpty { return "" }
    let head = heads.map { name -> HTML in "<th>\(name)</th>" }
    let body = rows.map { row -> HTML in
      "<tr>\(row.map { cell -> HTML in "<td>\(cell)</td>" })</tr>"
    }
    return "<section><h2>\(title)</h2><table><tr>\(head)</tr>\(body)</table></section>"
  }

  /// A number for a style sheet, which wants a point whatever the user's language puts there.
  private static func percent(_ fraction: Double) -> String {
    (100 * fraction).formatted(
      .number.precision(.fractionLength(2)).locale(Locale(identifier: "en_US_POSIX")))
  }
}

/// A piece of a page: interpolated text is escaped, interpolated pieces are not, so that text from
/// outside cannot become markup.
struct HTML: Sendable, ExpressibleByStringInterpolation {
  let text: String

  init(stringLiteral value: String) { text = value }
  init(stringInterpolation: Interpolation) { text = stringInterpolation.text }
  init(_ parts: [HTML]) { text = parts.map(\.text).joined(separator: "\n") }

  struct Interpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }

    mutating func appendLiteral(_ literal: String) { text += literal }
    mutating func appendInterpolation(_ piece: HTML) { text += piece.text }
    mutating func appendInterpolation(_ pieces: [HTML]) { text += HTML(pieces).text }
    mutating func appendInterpolation(_ value: some CustomStringConvertible) {
      for character in value.description {
        switch character {
        case "&": text += "&amp;"
        case "<": text += "&lt;"
        case ">": text += "&gt;"
        case "\"": text += "&quot;"
        case "'": text += "&#39;"
        default: text.append(character)
        }
      }
    }
  }
}

/// The look of `report.html`, for light and dark screens.
enum ReportStyle {
  static let sheet: HTML = """
    :root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --faint: #6b7685;
      --line: #e3e7ec; --good: #14804a; --bad: #b42318; --bar: #3b82c4; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --paper: #14181f;
      --faint: #95a1b2; --line: #2a323d; --good: #4ccb8a; --bad: #ff7b6e; --bar: #5aa2e0; } }
    * { box-sizing: border-box; }
    body { margin: 0; color: var(--ink); background: var(--paper);
      font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
    header, main { max-width: 68rem; margin: 0 auto; padding: 0 1.5rem; }
    header { padding-top: 2.5rem; border-bottom: 1px solid var(--line); }
    h1 { font-size: 1.7rem; margin: 0; }
    h2 { font-size: 1.05rem; margin: 2.2rem 0 .6rem; }
    header.passed h1, tr.passed td:first-child { color: var(--good); }
    header.failed h1, tr.failed td:first-child { color: var(--bad); }
    .quiet { color: var(--faint); }
    .figures { display: flex; flex-wrap: wrap; gap: 2.5rem; margin-top: 1.8rem; }
    .figures strong { display: block; font-size: 1.6rem; line-height: 1.2; }
    .figures span { color: var(--faint); }
    table { width: 100%; border-collapse: collapse; }
    th { text-align: left; font-weight: 500; color: var(--faint); }
    td, th { padding: .38rem .8rem .38rem 0; border-bottom: 1px solid var(--line);
      vertical-align: top; overflow-wrap: anywhere; }
    td.number { text-align: right; white-space: nowrap; }
    td.time { width: 24%; min-width: 8rem; }
    td.time i { display: block; height: .55rem; margin-top: .45rem; border-radius: 2px;
      background: var(--bar); }
    tr.failed td.time i { background: var(--bad); }
    blockquote { margin: 0; padding: .8rem 1rem; border-left: 3px solid var(--bar);
      white-space: pre-wrap; overflow-wrap: anywhere; }
    blockquote b { color: var(--faint); font-weight: 500; }
    code { overflow-wrap: anywhere; }
    summary { color: var(--faint); cursor: pointer; padding: .5rem 0; }
    figure { margin: 1rem 0; break-inside: avoid; }
    figcaption { color: var(--faint); }
    svg { width: 100%; max-width: 52rem; font: 11px system-ui, sans-serif; }
    svg text { fill: var(--faint); }
    svg .bar { fill: var(--bar); } svg .bad { fill: var(--bad); }
    svg .axis { fill: none; stroke: var(--faint); }
    svg .line { fill: none; stroke: var(--ink); stroke-width: 1.5; }
    svg .faint { stroke: var(--faint); }
    @media print { body { font-size: 11px; } section { break-inside: avoid; } }
    """
}
