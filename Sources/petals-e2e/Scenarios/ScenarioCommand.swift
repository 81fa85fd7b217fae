import ArgumentParser
import Bloom
import PlumiseTesting
import PlumiseWire

/// `scenario`: the whole network in memory, with faults that a seed decides.
struct ScenarioCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scenario",
    abstract: "Run the whole network in memory with seeded faults, and check what it promises.",
    discussion: """
      The same seed, nodes and steps give the same history. The exit status is 1 if a promise is broken.

      EXAMPLES
        petals-e2e scenario --seeds 1-100
        petals-e2e scenario --seed 7 --steps 40 --json
      """)

  @Option(within: .seedRange, help: "The first and the last seed of a range.")
  var seeds: SeedRange?

  @Option(within: .seed, help: "The one seed.")
  var seed: UInt64?

  @Option(
    within: WholeNumbers("a number of nodes", 1...24), help: "How many nodes share the model.")
  var nodes = 3

  @Option(
    within: WholeNumbers("a number of steps", 0...100_000), help: "How many steps a schedule has.")
  var steps = 200

  @Option(
    within: .stepNumbers,
    help: "With --seed, the numbers of the steps to play of the schedule, as 3,17, or none.")
  var keep: StepNumbers?

  @Flag(help: "With --seed, print the whole history.")
  var history = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if seed != nil, seeds != nil { throw ValidationError("give --seed or --seeds, not both") }
    if seed == nil, keep != nil || history {
      throw ValidationError("--keep and --history need the --seed of one scenario")
    }
  }

  func run() async throws {
    let plan = try CommandFailure.checkingInput { try ScenarioPlan(nodes: nodes, steps: steps) }
    let range = seed.map { $0...$0 } ?? seeds?.range ?? 1...100
    var failing: [JSON] = []
    var kept = 0
    func report(_ outcome: ScenarioOutcome) {
      if history {
        // Byte for byte what the hash is of.
        StandardStream.error.write(outcome.history.text)
      }
      let line = "seed \(outcome.seed): \(outcome.history.hash.hex)"
      if outcome.isKept { kept += 1 } else { failing.append(Self.json(outcome)) }
      let text = outcome.isKept ? line : "\(line)\n\(outcome)"
      if output.json { output.note(text) } else { output.result(.null, text: text) }
    }
    if seed != nil, let keep {
      report(try await plan.run(seed: range.lowerBound, keeping: keep.numbers))
    } else {
      try await plan.run(seeds: range) { report($0) }
    }
    let count = range.upperBound - range.lowerBound
    let total = kept + failing.count
    precondition(total > 0 && UInt64(total - 1) == count, "every seed has an outcome")
    let summary = "\(kept) of \(total) kept every promise"
    if output.json {
      output.note(summary)
      output.result(
        ["kept": .integer(kept), "total": .integer(total), "failing": .array(failing)], text: "")
    } else {
      output.result(.null, text: summary)
    }
    if !failing.isEmpty {
      throw CommandFailure.failed("\(failing.count) of \(total) seeds break a promise")
    }
  }

  private static func json(_ outcome: ScenarioOutcome) -> JSON {
    [
      "seed": .string(String(outcome.seed)), "history": .string(outcome.history.hash.hex),
      "broken": .array(
        outcome.broken.map {
          ["promise": .string($0.promise), "violation": .string($0.violation)]
        }),
      "steps": .array(
        outcome.steps.map { ["number": .integer($0.number), "does": .string($0.operation)] }),
      "scheduled": .integer(outcome.scheduled), "command": .string(outcome.command),
    ]
  }
}

/// The first and the last seed of a range.
package struct SeedRange: Hashable, Sendable {
  /// The seeds: at least one, at most a million.
  package let range: ClosedRange<UInt64>
}

/// Ranges of seeds.
package struct SeedRanges: OptionLimits {
  private static let most: UInt64 = 1_000_000

  package var limits: String { "" }
  package var expectation: String {
    "seeds are FIRST-LAST, as in 1-100, in order and at most \(Self.most) of them"
  }

  package func value(_ text: String) -> SeedRange? {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { end in
      end.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt64(end) : nil
    }
    guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last,
      last - first < Self.most
    else { return nil }
    return SeedRange(range: first...last)
  }

  package func spelling(_ value: SeedRange) -> String {
    "\(value.range.lowerBound)-\(value.range.upperBound)"
  }
}

/// The numbers of steps.
package struct StepNumbers: Hashable, Sendable {
  /// Each number of a step; a number that the schedule has not is no step.
  package let numbers: [Int]
}

/// Lists of steps.
package struct StepNumberLists: OptionLimits {
  package var limits: String { "" }
  package var expectation: String {
    "steps are whole numbers from 0 with commas between them, as in 3,17, or none"
  }

  package func value(_ text: String) -> StepNumbers? {
    if text.utf8.elementsEqual("none".utf8) { return StepNumbers(numbers: []) }
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { number in
      number.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(number) : nil
    }
    guard !numbers.contains(nil) else { return nil }
    return StepNumbers(numbers: numbers.compactMap(\.self))
  }

  package func spelling(_ value: StepNumbers) -> String {
    value.numbers.map(String.init).joined(separator: ",")
  }
}

extension OptionLimits where Self == SeedRanges {
  static var seedRange: Self { SeedRanges() }
}

extension OptionLimits where Self == StepNumberLists {
  static var stepNumbers: Self { StepNumberLists() }
}
