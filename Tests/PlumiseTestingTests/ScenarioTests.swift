import Bloom
import EthereumPrimitives
import PlumiseTesting
import Testing

@Suite("Scenarios", .timeLimit(.minutes(5)))
struct ScenarioTests {
  @Test("The same seed gives the same history, byte for byte; another seed another one")
  func sameSeed() async throws {
    let plan = try ScenarioPlan(steps: 25)
    for seed in [1, 2, 3] as [UInt64] {
      let (first, second) = (try await plan.run(seed: seed), try await plan.run(seed: seed))
      #expect(first.history.text == second.history.text)
      #expect(first.history.hash == second.history.hash)
      let other = try await plan.run(seed: seed + 100)
      #expect(other.history.hash != first.history.hash)
    }
  }

  @Test("Every promise is kept, whatever the seed", arguments: 0..<8)
  func promises(_ group: UInt64) async throws {
    try await ScenarioPlan().verify(seeds: group * 5 + 1...group * 5 + 5)
  }

  @Test("A schedule has steps of every kind, and they show in the history")
  func kinds() async throws {
    let plan = try ScenarioPlan(steps: 200)
    let schedule = plan.schedule(seed: 1)
    #expect(schedule.count == 200)
    let kinds = Set(schedule.map { "\(type(of: $0))" })
    #expect(kinds.count == ScenarioOperations.all.count, "\(kinds.sorted())")
    let outcome = try await plan.run(seed: 1)
    #expect(outcome.isKept, "\(outcome)")
    let events = outcome.history.events
    #expect(events.count { if case .step = $0 { true } else { false } } == 200)
    #expect(events.contains { if case .lifeEnded(_, _, true, _) = $0 { true } else { false } })
    #expect(events.contains { if case .generated = $0 { true } else { false } })
    #expect(events.contains { if case .generationFailed = $0 { true } else { false } })
    let accepted = events.count {
      if case .report(_, _, let report) = $0 { report.isAccepted } else { false }
    }
    #expect(accepted > 20)
    #expect(
      events.contains { if case .report(_, _, let r) = $0 { r.status == 409 } else { false } })
    let rewards = events.contains {
      if case .rewards(let distributed, let claimed, _) = $0 {
        !distributed.isZero && !claimed.isZero
      } else {
        false
      }
    }
    #expect(rewards)
  }

  @Test("A body can use the network as it likes, and time passes as it says")
  func body() async throws {
    let history = try await withScenario(seed: 5) { scenario in
      scenario.generate([40, 41, 42], maxNewTokens: 3)
      try await scenario.time.advance(by: .seconds(30))
      let node = try #require(scenario.node(0))
      #expect(scenario.chain.isRegistered(node.address))
      await node.crash()
      #expect(!node.isRunning)
      scenario.record("test", "crashed")
      try await scenario.settle()
      return scenario.history
    }
    #expect(history.broken(ScenarioPromises.all).isEmpty)
    #expect(history.text.contains("30000000 test: crashed\n"))
    #expect(history.text.contains("node 0 began life 2\n"))
  }

  /// An operation of a user's own.
  private struct Shout: ScenarioOperation {
    static let weight = 3
    let word: Int

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      Shout(word: Int.random(in: 0..<10, using: &random))
    }

    var description: String { "shout \(word)" }

    func run(in scenario: Scenario) async throws { scenario.record("shout", "\(word)") }
  }

  /// A promise of a user's own, which some histories break.
  private struct NeverSeven: ScenarioPromise {
    var name: String { "nobody shouts seven" }

    func violations(in history: History) -> [String] {
      history.events.compactMap { $0 == .custom("shout", "7") ? "somebody shouted 7" : nil }
    }
  }

  @Test("Operations and promises of a user's own plug in; what breaks one is shrunk to its steps")
  func ownOperations() async throws {
    var plan = try ScenarioPlan(nodes: 1, steps: 30)
    plan.settling = .seconds(30)
    plan.operations = ScenarioOperations.use + [Shout.self]
    plan.promises = [NeverSeven()]
    let seed = try #require(
      (1...100).first { seed in plan.schedule(seed: seed).contains { "\($0)" == "shout 7" } })
    let outcome = try await plan.run(seed: seed)
    #expect(!outcome.isKept)
    let shrunk = try await plan.shrink(outcome)
    #expect(shrunk.steps.map(\.operation) == ["shout 7"])
    let number = try #require(shrunk.steps.first?.number)
    #expect(
      shrunk.command == "petals-e2e scenario --seed \(seed) --nodes 1 --steps 30 --keep \(number)")
    #expect(shrunk.scheduled == 30)
    let again = try await plan.run(seed: seed, keeping: [number])
    #expect(again.history.hash == shrunk.history.hash)
    await #expect {
      try await plan.verify(seeds: seed...seed)
    } throws: { error in
      "\(error)".contains("1 of 30 steps") && "\(error)".contains("somebody shouted 7")
    }
  }

  @Test("An operation that throws breaks the promise that none does")
  func failingOperation() async throws {
    struct Fault: Error {}
    struct Fail: ScenarioOperation {
      static let weight = 1
      static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
        Fail()
      }
      var description: String { "fail" }
      func run(in scenario: Scenario) async throws { throw Fault() }
    }
    var plan = try ScenarioPlan(nodes: 1, steps: 2)
    plan.settling = .seconds(10)
    plan.operations = [Fail.self]
    let outcome = try await plan.run(seed: 1)
    #expect(outcome.broken.map(\.violation).filter { $0.hasPrefix("step") }.count == 2)
  }

  @Test("A cancelled scenario ends, whatever it waits for")
  func cancellation() async throws {
    let task = Task {
      try await withScenario(seed: 1) { scenario in
        scenario.generate([40, 41], maxNewTokens: 8)
        try await scenario.time.clock.sleep(for: .seconds(1_000_000))
      }
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}
