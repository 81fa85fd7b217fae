import Foundation
import Synchronization

/// Runs steps one after another, times each, and prints a line for it as soon as it is done.
final class StepLog: Sendable {
  private let done = Mutex<[Step]>([])
  private let clock = ContinuousClock()
  private let start = ContinuousClock.now
  private let style: TerminalStyle
  private let quiet: Bool
  private let print: @Sendable (String) -> Void
  private let onStep: @Sendable (Step) -> Void

  /// - Parameters:
  ///   - style: the colours of the lines.
  ///   - quiet: whether nothing is shown of a step that goes on.
  ///   - onStep: gets each step.
  ///   - print: gets each step's line.
  init(
    style: TerminalStyle = .plain, quiet: Bool = false,
    onStep: @escaping @Sendable (Step) -> Void = { _ in },
    print: @escaping @Sendable (String) -> Void
  ) {
    self.style = style
    self.quiet = quiet
    self.onStep = onStep
    self.print = print
  }

  var steps: [Step] { done.withLock { $0 } }

  /// Runs a step.
  /// - Parameters:
  ///   - title: what holds when the step has passed.
  ///   - body: does it; gives a value for later steps and a detail for the reader.
  /// - Throws: what the body throws, after the step was recorded as failed.
  func run<R>(_ title: String, _ body: () async throws -> (R, detail: String)) async throws -> R {
    let began = clock.now
    do {
      let (value, detail) = try await ActivityLine.showing(title, quiet: quiet, body)
      record(title, began, passed: true, detail)
      return value
    } catch is CancellationError {
      // Something else ended the flow, and says so itself.
      record(title, began, passed: false, "not finished")
      throw CancellationError()
    } catch {
      record(title, began, passed: false, String(describing: error))
      throw error
    }
  }

  private func record(
    _ title: String, _ began: ContinuousClock.Instant, passed: Bool, _ detail: String
  ) {
    let step = Step(
      title: title, passed: passed, start: began - start, duration: clock.now - began,
      detail: detail.singleLine)
    done.withLock { $0.append(step) }
    print(step.line(in: style))
    onStep(step)
  }
}

/// One step of the flow, done.
struct Step: Sendable {
  let title: String
  let passed: Bool
  /// When it began, since the log was made.
  let start: Duration
  let duration: Duration
  /// What was found, or why it failed; one line.
  let detail: String

  /// One line: `✓ the chain is up     0.05 s  http://127.0.0.1:26902`.
  func line(in style: TerminalStyle) -> String {
    let seconds = ShortNumber.text(duration / .seconds(1), places: 2)
    let name = title.padding(toLength: 41, withPad: " ", startingAt: 0)
    let time = String(repeating: " ", count: max(0, 7 - seconds.count)) + seconds
    let mark = passed ? style.good("✓") : style.bad("✗")
    return "\(mark) \(name)\(style.faint("\(time) s"))  \(passed ? detail : style.bad(detail))"
  }
}
