import Foundation
import PlumiseWire

/// A time of a request that is measured, by its name in serving benchmarks.
enum LoadMeasure: String, CaseIterable, Sendable {
  /// From the moment at which the request was due to its first token.
  case ttft
  /// From token to token, the mean of a request: (e2el − ttft) / (tokens − 1).
  case tpot
  /// From one token to the next, each by itself.
  case itl
  /// From the moment at which the request was due to the end of its answer.
  case e2el
}

/// What an answer must keep to count as good: `ttft=200,e2el=1000`, in milliseconds.
package struct LoadGoals: Sendable {
  let milliseconds: [LoadMeasure: Double]

  /// Whether an answer keeps all of them; one without tokens does not keep a goal of tokens.
  func areMet(by record: LoadRecord) -> Bool {
    milliseconds.allSatisfy { measure, limit in
      switch measure {
      case .itl: record.interTokenMilliseconds.allSatisfy { $0 <= limit }
      default: record.value(measure).map { $0 <= limit } ?? false
      }
    }
  }

  var json: JSON {
    .object(
      JSONObject(
        uniqueMembers: LoadMeasure.allCases.compactMap { measure in
          milliseconds[measure].map { (measure.rawValue + "_ms", .decimal($0, places: 3)) }
        }))
  }
}

/// Goals on the command line.
package struct LoadGoalsLimits: OptionLimits {
  package init() {}

  package var limits: String {
    "NAME=MILLISECONDS with commas between, of "
      + LoadMeasure.allCases.map(\.rawValue).joined(separator: ", ")
  }
  package var expectation: String { "goals are \(limits)" }

  package func value(_ text: String) -> LoadGoals? {
    var found: [LoadMeasure: Double] = [:]
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let halves = part.split(separator: "=", omittingEmptySubsequences: false)
      guard halves.count == 2, let measure = LoadMeasure(rawValue: String(halves[0])),
        let limit = Double(halves[1]), limit > 0, limit <= 1e9, found[measure] == nil
      else { return nil }
      found[measure] = limit
    }
    return LoadGoals(milliseconds: found)
  }
}

extension OptionLimits where Self == LoadGoalsLimits {
  static var goals: Self { LoadGoalsLimits() }
}
