import Foundation

/// One step of the flow, done.
struct Step: Sendable {
  let title: String
  let passed: Bool
  let duration: Duration
  /// What was found, or why it failed; one line.
  let detail: String

  /// One line: `✓ the chain is up     0.05 s  http://127.0.0.1:26902`.
  var line: String {
    let seconds = (duration / .seconds(1)).formatted(.number.precision(.fractionLength(2)))
    let name = title.padding(toLength: 41, withPad: " ", startingAt: 0)
    let time = String(repeating: " ", count: max(0, 7 - seconds.count)) + seconds
    return "\(passed ? "✓" : "✗") \(name)\(time) s  \(detail)"
  }
}
