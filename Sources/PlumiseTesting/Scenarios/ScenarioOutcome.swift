import AsyncPrimitives
import Foundation

/// What came of one seed: the steps, the history, and the promises that it broke.
public struct ScenarioOutcome: Sendable {
  /// The seed.
  public let seed: UInt64
  /// A step that ran.
  public struct Step: Hashable, Sendable {
    /// Its place in the schedule, from 0.
    public let number: Int
    /// What it did.
    public let operation: String
  }

  /// The steps that ran.
  public let steps: [Step]
  /// How many steps the whole schedule has.
  public let scheduled: Int
  /// Everything that happened.
  public let history: History
  /// The broken promises; none when all were kept.
  public let broken: [BrokenPromise]
  /// The command that runs it again.
  public let command: String

  /// Whether every promise was kept.
  public var isKept: Bool { broken.isEmpty }
}

extension ScenarioOutcome: CustomStringConvertible {
  /// The broken promise, the steps that it takes, and the command that runs them again.
  public var description: String {
    guard let first = broken.first else { return "seed \(seed) kept every promise" }
    let more = broken.count > 1 ? " (and \(broken.count - 1) more)" : ""
    return """
      seed \(seed) breaks “\(first.promise)”: \(first.violation)\(more)
      \(steps.count) of \(scheduled) steps:
      \(steps.map { "  \($0.number): \($0.operation)\n" }.joined())again: \(command)
      """
  }
}

/// Running scenarios, and finding out what a broken promise takes.
extension ScenarioPlan {
  /// Plays the schedule of a seed, and checks the promises on its history.
  ///
  /// - Parameters:
  ///   - seed: Decides everything.
  ///   - kept: The numbers of the steps to play; nil plays all of them.
  /// - Throws: What starting the network throws.
  public func run(seed: UInt64, keeping kept: [Int]? = nil) async throws -> ScenarioOutcome {
    let all = Array(schedule(seed: seed).enumerated())
    let chosen = kept.map(Set.init)
    let steps = all.filter { chosen?.contains($0.offset) ?? true }
      .map { (number: $0.offset, operation: $0.element) }
    let history = try await withScenario(seed: seed, plan: self) { scenario in
      try await scenario.play(steps)
      try await scenario.settle()
      return scenario.history
    }
    return ScenarioOutcome(
      seed: seed, steps: steps.map { .init(number: $0.number, operation: "\($0.operation)") },
      scheduled: all.count,
      history: history, broken: history.broken(promises),
      command: command(seed: seed, keeping: kept))
  }

  /// Leaves out every step that the first broken promise of an outcome does not take.
  ///
  /// By delta debugging (Zeller, Hildebrandt, "Simplifying and isolating failure-inducing input", 2002):
  /// without any of the steps that are left, the promise is kept.
  /// - Returns: The outcome of the steps that are left; the same one when it kept every promise.
  public func shrink(_ outcome: ScenarioOutcome) async throws -> ScenarioOutcome {
    guard let promise = outcome.broken.first?.promise else { return outcome }
    var smallest = outcome
    _ = try await minimalFailing(outcome.steps.map(\.number)) { numbers in
      let trial = try await run(seed: outcome.seed, keeping: numbers)
      guard trial.broken.first?.promise == promise else { return false }
      smallest = trial
      return true
    }
    return smallest
  }

  /// Runs a number of seeds, several at once, and shrinks the schedules that break a promise.
  ///
  /// - Parameters:
  ///   - seeds: Which ones.
  ///   - onOutcome: Gets each outcome in the order of the seeds, shrunk where it breaks a promise.
  /// - Returns: How many of them kept every promise.
  @discardableResult
  public func run(
    seeds: some Sequence<UInt64> & Sendable,
    _ onOutcome: (ScenarioOutcome) throws -> Void = { _ in }
  ) async throws -> Int {
    var kept = 0
    try await inOrder(seeds) { seed in
      try await shrink(run(seed: seed))
    } onResult: { outcome in
      if outcome.isKept { kept += 1 }
      try onOutcome(outcome)
    }
    return kept
  }

  /// Requires that every promise is kept with some seeds.
  ///
  /// - Throws: ``BrokenPromises`` with the shrunk schedules of the seeds that break one.
  public func verify(seeds: some Sequence<UInt64> & Sendable) async throws {
    var failures: [ScenarioOutcome] = []
    try await run(seeds: seeds) { if !$0.isKept { failures.append($0) } }
    if !failures.isEmpty { throw BrokenPromises(outcomes: failures) }
  }

  /// The command that runs a seed again.
  private func command(seed: UInt64, keeping kept: [Int]?) -> String {
    let whole = "petals-e2e scenario --seed \(seed) --nodes \(blocks.count) --steps \(steps)"
    guard let kept else { return whole }
    let numbers = kept.map(String.init).joined(separator: ",")
    return "\(whole) --keep \(numbers.isEmpty ? "none" : numbers)"
  }

  private func inOrder<Value: Sendable>(
    _ seeds: some Sequence<UInt64> & Sendable,
    _ work: @escaping @Sendable (UInt64) async throws -> Value,
    onResult: (Value) throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: (Int, Value).self) { group in
      var results: [Int: Value] = [:]
      var (begun, next) = (0, 0)
      var rest = seeds.makeIterator()
      func begin() {
        guard let seed = rest.next() else { return }
        let place = begun
        begun += 1
        group.addTask { (place, try await work(seed)) }
      }
      for _ in 0..<ProcessInfo.processInfo.activeProcessorCount { begin() }
      while let (place, result) = try await group.next() {
        begin()
        results[place] = result
        while let result = results.removeValue(forKey: next) {
          next += 1
          try onResult(result)
        }
      }
    }
  }
}

/// Seeds whose scenarios broke a promise.
public struct BrokenPromises: Error, CustomStringConvertible {
  /// What came of each, with as few steps as it takes.
  public let outcomes: [ScenarioOutcome]

  /// For each the promise, the steps, and the command that runs them again.
  public var description: String { outcomes.map { "\($0)" }.joined(separator: "\n") }
}

/// The smallest list of elements that still fails: leaving out any one of them, it does not.
///
/// ddmin: halves first, then smaller and smaller parts and their complements.
/// - Parameters:
///   - elements: A list that fails.
///   - fails: Whether a part of it, in the same order, fails.
func minimalFailing<Element>(
  _ elements: [Element], _ fails: ([Element]) async throws -> Bool
) async throws -> [Element] {
  if try await fails([]) { return [] }
  var rest = elements
  var parts = 2
  while rest.count > 1 {
    let size = (rest.count + parts - 1) / parts
    let ranges = stride(from: 0, to: rest.count, by: size).map { $0..<min($0 + size, rest.count) }
    var isSmaller = false
    for range in ranges {
      let part = Array(rest[range])
      if part.count < rest.count, try await fails(part) {
        (rest, parts, isSmaller) = (part, 2, true)
        break
      }
    }
    if isSmaller { continue }
    for range in ranges where ranges.count > 2 {
      let complement = Array(rest[..<range.lowerBound] + rest[range.upperBound...])
      if try await fails(complement) {
        (rest, parts, isSmaller) = (complement, max(parts - 1, 2), true)
        break
      }
    }
    if isSmaller { continue }
    if parts >= rest.count { break }
    parts = min(parts * 2, rest.count)
  }
  return rest
}
