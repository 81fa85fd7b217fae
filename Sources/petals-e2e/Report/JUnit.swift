import Foundation
import PlumiseWire
import ReportPages

/// `junit.xml`: what a run, a load or a measurement found, as continuous integration shows it.
///
/// The format is that of Ant's JUnit task: a suite, a case for each thing that was to hold, a failure where it
/// did not.
enum JUnit {
  /// Something that was to hold.
  struct Case: Sendable {
    let name: String
    let seconds: Double
    /// Why it did not hold; nil where it did.
    let failure: String?
  }

  /// The steps of a run.
  static func text(of report: FlowReport) -> String {
    text(
      suite: "run",
      report.steps.map {
        Case(
          name: $0.title, seconds: $0.duration / .seconds(1), failure: $0.passed ? nil : $0.detail)
      }, seconds: report.duration / .seconds(1), started: report.started.formatted(.iso8601))
  }

  /// What a `report.json` says of a load or a measurement.
  static func text(of report: JSON) -> String {
    let seconds = report["seconds"]?.doubleValue ?? 0
    let suite = report["schema"]?.stringValue?.split(separator: "/").dropFirst().first ?? "report"
    var cases: [Case] = []
    if let sent = report["sent"]?.integerValue, let succeeded = report["succeeded"]?.integerValue {
      let reasons = (report["failures"]?.arrayValue ?? []).map {
        "\($0["count"]?.integerValue ?? 0) × \($0["reason"]?.stringValue ?? "")"
      }
      cases.append(
        Case(
          name: "every request succeeds", seconds: seconds,
          failure: succeeded == sent
            ? nil : "\(sent - succeeded) of \(sent) failed: \(reasons.joined(separator: "; "))"))
    }
    for row in report["rows"]?.arrayValue ?? [] {
      let name = "\(row["group"]?.stringValue ?? ""): \(row["name"]?.stringValue ?? "")"
      cases.append(Case(name: name, seconds: 0, failure: nil))
    }
    return text(
      suite: String(suite), cases, seconds: seconds, started: report["started"]?.stringValue ?? "")
  }

  private static func text(
    suite: String, _ cases: [Case], seconds: Double, started: String
  ) -> String {
    let failures = cases.count { $0.failure != nil }
    let elements = cases.map { found -> HTML in
      let time = number(found.seconds)
      guard let failure = found.failure else {
        return """
          <testcase classname="petals-e2e.\(suite)" name="\(found.name)" time="\(time)"/>
          """
      }
      return """
        <testcase classname="petals-e2e.\(suite)" name="\(found.name)" time="\(time)">\
        <failure message="\(failure)"/></testcase>
        """
    }
    let page: HTML = """
      <?xml version="1.0" encoding="UTF-8"?>
      <testsuite name="petals-e2e \(suite)" tests="\(cases.count)" failures="\(failures)" \
      errors="0" skipped="0" time="\(number(seconds))" timestamp="\(started)">
      \(elements)
      </testsuite>
      """
    return page.text + "\n"
  }

  private static func number(_ seconds: Double) -> String {
    seconds.formatted(
      .number.precision(.fractionLength(3)).grouping(.never)
        .locale(Locale(identifier: "en_US_POSIX")))
  }
}
