import Bloom
import EthereumPrimitives
import MockWeb3
import PlumiseWire

/// A step of a scenario's schedule: something that the users of the network do, or that goes wrong.
///
/// A step holds everything that was drawn for it, so that a schedule with some of its steps left out
/// still means something. One that does not apply, as a crash of a node that does not run, does nothing.
public protocol ScenarioOperation: Sendable, CustomStringConvertible {
  /// How often it is drawn, in proportion to the other operations.
  static var weight: Int { get }

  /// Draws an operation.
  static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self

  /// Does it.
  /// - Throws: an error is a broken promise.
  func run(in scenario: Scenario) async throws
}

/// The operations that a plan has unless it says otherwise.
public enum ScenarioOperations {
  /// All of them.
  public static let all = use + faults

  /// What the network is for: generations begin, time passes, rewards are paid.
  public static let use: [any ScenarioOperation.Type] = [
    Generate.self, LetTimePass.self, PayRewards.self,
  ]

  /// What goes wrong: nodes crash and are started again, links are cut, slow, or lose answers, until they
  /// are healed; the clock jumps, blocks are replaced, a transaction is dropped, a report is replayed.
  public static let faults: [any ScenarioOperation.Type] = [
    CrashNode.self, RestartNode.self, CutLink.self, SlowLink.self, LoseAnswers.self, HealLinks.self,
    JumpClock.self, Reorganise.self, DropTransaction.self, ReplayReport.self,
  ]

  /// Begins a generation, which goes on while later steps run.
  struct Generate: ScenarioOperation {
    static let weight = 8
    let prompt: [Int32]
    let maxNewTokens: Int

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      let length = Int.random(in: 3...8, using: &random)
      let vocabulary = Int32(min(260, plan.model.configuration.vocabularySize))
      return Generate(
        prompt: (0..<length).map { _ in Int32.random(in: 4..<vocabulary, using: &random) },
        maxNewTokens: Int.random(in: 1...8, using: &random))
    }

    var description: String { "generate \(maxNewTokens) tokens after \(prompt)" }

    func run(in scenario: Scenario) async throws {
      scenario.generate(prompt, maxNewTokens: maxNewTokens)
    }
  }

  /// Lets time pass.
  struct LetTimePass: ScenarioOperation {
    static let weight = 8
    let duration: Duration

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      let choices: [Duration] = [
        .milliseconds(10), .milliseconds(50), .milliseconds(250), .seconds(1), .seconds(5),
        .seconds(20), .seconds(60),
      ]
      return LetTimePass(duration: choices.randomElement(using: &random) ?? .seconds(1))
    }

    var description: String { "let \(duration) pass" }

    func run(in scenario: Scenario) async throws {
      try await scenario.time.advance(by: duration)
    }
  }

  /// Ends a node at once.
  struct CrashNode: ScenarioOperation {
    static let weight = 1
    let node: Int

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      CrashNode(node: plan.drawNode(using: &random))
    }

    var description: String { "crash node \(node)" }

    func run(in scenario: Scenario) async throws {
      await scenario.node(node)?.crash()
    }
  }

  /// Starts a node again: one that runs is stopped first.
  struct RestartNode: ScenarioOperation {
    static let weight = 3
    let node: Int

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      RestartNode(node: plan.drawNode(using: &random))
    }

    var description: String { "restart node \(node)" }

    func run(in scenario: Scenario) async throws {
      guard let node = scenario.node(node) else { return }
      // The last report may need time.
      try await scenario.time.run {
        await node.stop()
        try await node.start()
      }
    }
  }

  /// Cuts a link.
  struct CutLink: ScenarioOperation {
    static let weight = 2
    let link: Int

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      CutLink(link: plan.drawLink(using: &random))
    }

    var description: String { "cut link \(link)" }

    func run(in scenario: Scenario) async throws { scenario.link(link)?.cut() }
  }

  /// Makes a link slow.
  struct SlowLink: ScenarioOperation {
    static let weight = 1
    let link: Int
    let latency: Duration

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      SlowLink(
        link: plan.drawLink(using: &random),
        latency: .milliseconds(Int.random(in: 1...40, using: &random) * 50))
    }

    var description: String { "slow link \(link) down to \(latency)" }

    func run(in scenario: Scenario) async throws { scenario.link(link)?.delay(by: latency) }
  }

  /// Loses answers on a link.
  struct LoseAnswers: ScenarioOperation {
    static let weight = 2
    let link: Int
    let count: Int

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      LoseAnswers(
        link: plan.drawLink(using: &random), count: Int.random(in: 1...3, using: &random))
    }

    var description: String { "lose \(count) answers on link \(link)" }

    func run(in scenario: Scenario) async throws { scenario.link(link)?.loseAnswers(count) }
  }

  /// Repairs all links.
  struct HealLinks: ScenarioOperation {
    static let weight = 2

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      HealLinks()
    }

    var description: String { "heal all links" }

    func run(in scenario: Scenario) async throws { scenario.healLinks() }
  }

  /// Moves the clock without a stop on the way, as a machine that was asleep finds it.
  struct JumpClock: ScenarioOperation {
    static let weight = 1
    let duration: Duration

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      JumpClock(duration: .seconds(Int.random(in: 1...120, using: &random)))
    }

    var description: String { "jump by \(duration)" }

    func run(in scenario: Scenario) async throws { scenario.time.clock.advance(by: duration) }
  }

  /// Replaces the latest blocks of the chain, no more than agents wait for.
  struct Reorganise: ScenarioOperation {
    static let weight = 2
    let depth: Int

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      Reorganise(depth: Int.random(in: 1...max(1, Int(plan.confirmations)), using: &random))
    }

    var description: String { "reorganise \(depth) blocks" }

    func run(in scenario: Scenario) async throws {
      scenario.chain.reorganise(depth: depth)
    }
  }

  /// Has the chain forget the next transaction that it takes.
  struct DropTransaction: ScenarioOperation {
    static let weight = 1

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      DropTransaction()
    }

    var description: String { "drop the next transaction" }

    func run(in scenario: Scenario) async throws { scenario.chain.inject(.drop) }
  }

  /// Sends the oracle a report again that it has taken, as somebody who recorded it could.
  struct ReplayReport: ScenarioOperation {
    static let weight = 1
    let node: Int

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      ReplayReport(node: plan.drawNode(using: &random))
    }

    var description: String { "replay the last report of node \(node)" }

    func run(in scenario: Scenario) async throws {
      guard let node = scenario.node(node) else { return }
      try await scenario.time.run { try await node.replayReport() }
    }
  }

  /// Has contributions reported, and shares out what the reward pool has for ended epochs.
  struct PayRewards: ScenarioOperation {
    static let weight = 1

    static func draw(for plan: ScenarioPlan, using random: inout ScenarioRandom) -> Self {
      PayRewards()
    }

    var description: String { "pay rewards" }

    func run(in scenario: Scenario) async throws { scenario.payRewards() }
  }
}

extension ScenarioPlan {
  /// A node's place.
  func drawNode(using random: inout ScenarioRandom) -> Int {
    Int.random(in: blocks.indices, using: &random)
  }

  /// A link's place in ``Scenario/links``.
  func drawLink(using random: inout ScenarioRandom) -> Int {
    Int.random(in: 0...3 * blocks.count, using: &random)
  }
}
