// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/SeededScenarios.md
import PlumiseTesting
import Testing

/// Nobody waits for longer than a minute.
struct AnswersWithinAMinute: ScenarioPromise {
  let name = "a generation ends within a minute"

  func violations(in history: History) -> [String] {
    var began: [Int: Duration] = [:]
    return history.entries.compactMap { entry in
      switch entry.event {
      case .generationBegan(let id, _, _): began[id] = entry.time
      case .generated(let id, _, _):
        if let start = began[id], entry.time - start > .seconds(60) { return "generation \(id)" }
      default: break
      }
      return nil
    }
  }
}

/// Somebody asks for much at once.
struct Burst: ScenarioOperation {
  static let weight = 2
  let count: Int
  /// The first token of the first prompt; each is another one.
  let first: Int32

  static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Burst {
    Burst(
      count: Int.random(in: 2...6, using: &random), first: Int32.random(in: 0..<500, using: &random)
    )
  }

  var description: String { "a burst of \(count)" }

  func run(in scenario: Scenario) async throws {
    for index in 0..<count { scenario.generate([first + Int32(index), 41], maxNewTokens: 4) }
  }
}

@Test("Bursts are answered within a minute while nothing goes wrong")
func bursts() async throws {
  var plan = try ScenarioPlan(steps: 20)
  plan.operations = ScenarioOperations.use + [Burst.self]
  plan.promises += [AnswersWithinAMinute()]
  try await plan.verify(seeds: 1...5)
}
// end of snippet
