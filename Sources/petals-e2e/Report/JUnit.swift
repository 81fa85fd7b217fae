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

  /// What a `report.json` says of a load, a soak, a sweep or a measurement.
  static func text(of report: JSON) -> String {
    let seconds = report["seconds"]?.doubleValue ?? 0
    let suite = report["schema"]?.stringValue?.split(separator: "/").dropFirst().first ?? "report"
    let rows = report["rows"]?.arrayValue ?? []
    let cases: [Case] =
      switch report["schema"]?.stringValue {
      case SoakReport.schema?: soakCases(report, seconds)
      case SweepReport.schema?:
        rows.map { row in
          let sessions = row["sessions"]?.integerValue ?? 0
          return requestCase(
            of: row, "\(row["network"]?.stringValue ?? ""), \(sessions) sessions: ",
            row["seconds"]?.doubleValue ?? 0)
        }
      case BenchReport.schema?:
        rows.map { row in
          let name = "\(row["group"]?.stringValue ?? ""): \(row["name"]?.stringValue ?? "")"
          return Case(name: name, seconds: 0, failure: nil)
        }
      default: [requestCase(of: report, "", seconds)]
      }
    return text(
      suite: String(suite), cases, seconds: seconds, started: report["started"]?.stringValue ?? "")
  }

  /// That every request of a load succeeded.
  private static func requestCase(of load: JSON, _ prefix: String, _ seconds: Double) -> Case {
    let sent = load["sent"]?.integerValue ?? 0
    let failed = load["failed"]?.integerValue ?? sent - (load["succeeded"]?.integerValue ?? 0)
    let reasons = (load["failures"]?.arrayValue ?? []).map {
      "\($0["count"]?.integerValue ?? 0) × \($0["reason"]?.stringValue ?? "")"
    }
    return Case(
      name: prefix + "every request succeeds", seconds: seconds,
      failure: failed == 0
        ? nil : "\(failed) of \(sent) failed: \(reasons.joined(separator: "; "))")
  }

  /// That each series that is judged does not grow, that the requests succeeded, and all in all.
  private static func soakCases(_ soak: JSON, _ seconds: Double) -> [Case] {
    let series = (soak["series"]?.arrayValue ?? []).compactMap { series -> Case? in
      guard let verdict = series["verdict"]?.stringValue.flatMap(SoakSeries.Verdict.init),
        verdict != .unjudged
      else { return nil }
      let (name, measure) = (series["subject"]?.stringValue, series["measure"]?.stringValue)
      let growth = "\(series["growth"]?.text ?? "") \(series["unit"]?.stringValue ?? "")"
      return Case(
        name: "\(name ?? ""): \(measure ?? "") does not grow", seconds: seconds,
        failure: verdict == .grows
          ? "it grows by \(growth); allowed are \(series["allowed"]?.text ?? "")" : nil)
    }
    let targets = (soak["targets"]?.arrayValue ?? []).map {
      requestCase(of: $0, "\($0["target"]?.stringValue ?? ""): ", seconds)
    }
    let reasons = (soak["reasons"]?.arrayValue ?? []).compactMap(\.stringValue)
    let all = Case(
      name: "the soak passes", seconds: seconds,
      failure: reasons.isEmpty ? nil : reasons.joined(separator: "; "))
    return series + targets + [all]
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
