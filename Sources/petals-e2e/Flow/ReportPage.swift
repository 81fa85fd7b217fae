import Foundation
import NetworkWatch
import PlumiseWire
import ReportPages

/// `report.html` of a run: one page that needs nothing but itself.
enum ReportPage {
  static func render(_ report: FlowReport) -> String {
    ReportDocument(
      title: "petals-e2e: \(report.passed ? "passed" : "failed")",
      heading: report.passed ? "✓ The whole flow ran" : "✗ The flow failed",
      hasPassed: report.passed, lines: [report.failure ?? "Every step passed."],
      time: "\(report.started.formatted(.iso8601)) · \(seconds(report.duration)) s",
      sections: [
        figures(report), steps(report.steps), generation(report.generation), times(report),
      ] + (report.history?.sections ?? []) + [
        agents(report.agents), services(report.services), model(report.model),
      ], origin: .ofThisCommand
    ).text
  }

  private static func seconds(_ duration: Duration) -> String {
    ShortNumber.text(duration / .seconds(1), places: 2)
  }

  private static func figures(_ report: FlowReport) -> HTML {
    guard let generation = report.generation else { return "" }
    let first = (generation.timeToFirstToken ?? .zero) / .milliseconds(1)
    let rate = ShortNumber.text(generation.tokensPerSecond, places: 1)
    return """
      <section class="figures">
      \(HTML.figure("\(generation.generatedIDs.count)", "tokens"))
      \(HTML.figure(rate, "tokens a second"))
      \(HTML.figure(ShortNumber.text(first, places: 0), "ms to the first token"))
      \(HTML.figure("\(report.agents.count)", "nodes"))
      \(HTML.figure("\(report.steps.count(where: \.passed)) / \(report.steps.count)", "steps passed"))
      </section>
      """
  }

  /// Each step with a bar that shows when it began and how long it took.
  private static func steps(_ steps: [Step]) -> HTML {
    let ends = steps.map { ($0.start + $0.duration) / .seconds(1) }
    let total = max(0.001, ends.max() ?? 0)
    let rows = steps.map { step -> HTML in
      let (begin, length) = (step.start / .seconds(1), step.duration / .seconds(1))
      let left = percent(min(begin / total, 0.996))
      let width = percent(max(0.004, length / total))
      return """
        <tr class="\(step.passed ? "passed" : "failed")">
        <td>\(step.passed ? "✓" : "✗") \(step.title)</td>
        <td class="number">\(seconds(step.duration)) s</td>
        <td class="time" data-start="\(JSON.seconds(step.start).text)" \
        data-seconds="\(JSON.seconds(step.duration).text)">\
        <i style="margin-left:\(left)%;width:\(width)%"></i></td>
        <td class="quiet">\(step.detail)</td>
        </tr>
        """
    }
    return HTML.section("Steps", "<table>\(rows)</table>")
  }

  private static func generation(_ generation: FlowReport.Generation?) -> HTML {
    guard let generation else { return "" }
    let ids = generation.generatedIDs.map(String.init).joined(separator: " ")
    let prompt = generation.prompt ?? generation.promptIDs.map(String.init).joined(separator: " ")
    return HTML.section(
      "Generated",
      """
      <blockquote><b>\(prompt)</b>\(generation.text ?? "")</blockquote>
      <details><summary>token ids</summary><code>\(ids)</code></details>
      """)
  }

  /// The distributions of the generation's times.
  private static func times(_ report: FlowReport) -> HTML {
    let all = report.distributions
    if all.isEmpty { return "" }
    return HTML.section(
      "Times in milliseconds",
      """
      \(DistributionTable.html(all))
      \(all.map { Plot.distribution($0.name, $0.values) })
      """)
  }

  private static func agents(_ agents: [FlowReport.Agent]) -> HTML {
    HTML.table(
      "Agents", ["address", "blocks", "tokens at the oracle", "proofs on chain"],
      agents.map { agent in
        [
          agent.address, agent.blocks, agent.tokensStored.map(String.init) ?? "–",
          "\(agent.proofsVerified)",
        ]
      })
  }

  private static func services(_ services: [FlowReport.Service]) -> HTML {
    HTML.table(
      "Processes", ["service", "URL", "process"],
      services.map { [$0.name, $0.url, "\($0.processID)"] })
  }

  private static func model(_ model: FlowReport.Model?) -> HTML {
    guard let model else { return "" }
    return HTML.table(
      "Model", ["name", "blocks", "parameters", "dtype", "fingerprint", "folder"],
      [
        [
          model.name, "\(model.blocks)", model.parameters.formatted(), model.elementType,
          String(model.fingerprint.prefix(16)), model.directory,
        ]
      ])
  }

  private static func percent(_ fraction: Double) -> String {
    ShortNumber.text(100 * fraction, places: 2)
  }
}
