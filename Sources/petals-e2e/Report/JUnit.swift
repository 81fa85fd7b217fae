import Foundation
import PlumiseWire
import ReportPages

/// `junit.xml`: the result of a run, a load or a measurement, as continuous integration shows it.
///
/// The format is that of Ant's JUnit task: a suite with a case for each thing that was to hold, and
/// a failure where it did not.
struct JUnit: Sendable {
  /// Something that was to hold.
  struct Case: Sendable {
    let name: String
    var seconds = 0.0
    /// Why it did not hold; nil where it did.
    var failure: String?
  }

  /// What was done: `run`, `load`.
  let suite: String
  let cases: [Case]
  let seconds: Double
  let started: Date

  /// The file.
  var text: String {
    let failures = cases.count { $0.failure != nil }
    let elements = cases.map { found -> HTML in
      let time = ShortNumber.text(found.seconds, places: 3)
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
    let time = ShortNumber.text(seconds, places: 3)
    let page: HTML = """
      <?xml version="1.0" encoding="UTF-8"?>
      <testsuite name="petals-e2e \(suite)" tests="\(cases.count)" failures="\(failures)" \
      errors="0" skipped="0" time="\(time)" timestamp="\(started.formatted(.iso8601))">
      \(elements)
      </testsuite>
      """
    return page.text + "\n"
  }
}

extension FlowReport {
  /// A case for each step.
  var units: JUnit {
    JUnit(
      suite: "run",
      cases: steps.map {
        JUnit.Case(
          name: $0.title, seconds: $0.duration / .seconds(1), failure: $0.passed ? nil : $0.detail)
      }, seconds: duration / .seconds(1), started: started)
  }
}

extension BenchReport {
  /// A case for each figure: it was measured.
  var units: JUnit {
    JUnit(
      suite: "bench", cases: rows.map { JUnit.Case(name: "\($0.group): \($0.name)") },
      seconds: duration / .seconds(1), started: started)
  }
}

extension LoadFigures {
  /// That there were requests, and that all of them succeeded.
  /// - Parameter prefix: What the requests are of, where there are several loads.
  func unit(_ prefix: String = "") -> JUnit.Case {
    let reasons = failures.map { "\($0.count) × \($0.reason)" }.joined(separator: "; ")
    return JUnit.Case(
      name: prefix + "every request succeeds", seconds: seconds,
      failure: failure.map { reasons.isEmpty ? $0.description : "\($0.description): \(reasons)" })
  }
}

extension LoadReport {
  /// One case, for the requests.
  var units: JUnit {
    JUnit(suite: "load", cases: [figures.unit()], seconds: figures.seconds, started: started)
  }
}

extension SoakReport {
  /// A case for each thing that the soak judges.
  var units: JUnit {
    JUnit(
      suite: "soak", cases: findings.map { JUnit.Case(name: $0.name, failure: $0.failure) },
      seconds: seconds, started: started)
  }
}

extension SweepReport {
  /// A case for each load, and one for the sweep where it ended early.
  var units: JUnit {
    let loads = rows.map { $0.figures.unit("\($0.network), \($0.sessions) sessions: ") }
    let ending = failure.map { JUnit.Case(name: "every load is done", failure: $0) }
    return JUnit(
      suite: "sweep", cases: loads + [ending].compactMap(\.self), seconds: seconds,
      started: started)
  }
}
