import Foundation
import PlumiseWire
import ReportPages

/// The percentiles of times as a table, with the numbers of `report.json`.
enum DistributionTable {
  /// A row for each distribution, in milliseconds.
  static func html(_ distributions: [(name: String, values: Distribution)]) -> HTML {
    let rows = distributions.map { row($0.name, $0.values) }
    let heads = [""] + Distribution.shares.map(\.name) + ["mean"]
    return "<table>\(HTML.head(heads))<tbody>\(rows)</tbody></table>"
  }

  private static func row(_ name: String, _ distribution: Distribution) -> HTML {
    let cells = Distribution.shares.map { share, value -> HTML in
      let text = distribution.percentile(value).map(Plot.number) ?? "–"
      return """
        <td data-measure="\(name)" data-share="\(share)">\(text)</td>
        """
    }
    let mean = distribution.mean.map(Plot.number) ?? "–"
    return "<tr><th scope=\"row\">\(name)</th>\(cells)<td>\(mean)</td></tr>"
  }
}

extension ReportDocument.Origin {
  /// This command line, on this machine.
  static var ofThisCommand: Self {
    Self(
      machine: Machine.current.line, version: "petals-e2e \(PetalsE2E.release)",
      command: CommandLine.arguments.joined(separator: " "))
  }
}
