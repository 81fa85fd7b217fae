import Foundation

/// `junit.xml`: the steps of a run, as continuous integration shows them.
///
/// The format is that of Ant's JUnit task: a suite, a case for each step, a failure where one did not pass.
enum JUnit {
  static func text(of report: FlowReport) -> String {
    let failures = report.steps.count { !$0.passed }
    let cases = report.steps.map { step -> HTML in
      let time = seconds(step.duration)
      if step.passed {
        return """
          <testcase classname="petals-e2e.run" name="\(step.title)" time="\(time)"/>
          """
      }
      return """
        <testcase classname="petals-e2e.run" name="\(step.title)" time="\(time)">\
        <failure message="\(step.detail)"/></testcase>
        """
    }
    let suite: HTML = """
      <?xml version="1.0" encoding="UTF-8"?>
      <testsuite name="petals-e2e run" tests="\(report.steps.count)" failures="\(failures)" \
      errors="0" skipped="0" time="\(seconds(report.duration))" timestamp="\(report.started.formatted(.iso8601))">
      \(cases)
      </testsuite>
      """
    return suite.text + "\n"
  }

  private static func seconds(_ duration: Duration) -> String {
    (duration / .seconds(1)).formatted(
      .number.precision(.fractionLength(3)).grouping(.never)
        .locale(Locale(identifier: "en_US_POSIX")))
  }
}
