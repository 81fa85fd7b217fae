import AsyncPrimitives
import Bloom
import MockOracle
import MockWeb3
import PetalsNode
import SystemErrors

/// Runs a body with a network in memory, in which the same seed gives the same history.
///
/// - Parameters:
///   - seed: Decides keys, latencies and every other choice.
///   - plan: The network; nil takes three nodes of ``TinyModel``.
///   - body: Uses the network: calls its parts, lets ``Scenario/time`` pass, plays a schedule. It runs on
///     the scenario's executor; a task that it starts by `Task` or `Task.detached` does not, and may then
///     do things in another order each time.
/// - Throws: What starting a part throws, and what the body throws.
public func withScenario<Result: Sendable>(
  seed: UInt64, plan: ScenarioPlan? = nil,
  _ body: @escaping @Sendable (Scenario) async throws -> Result
) async throws -> Result {
  let plan = try plan ?? ScenarioPlan()
  let monitor = IdleMonitor(isSerial: true)
  let clock = ManualClock(monitor: monitor)
  let pool = ComputePool(executor: monitor.perform)
  // A task of its own: what the caller's would do between two jobs is not the executor's to order.
  let task = Task(executorPreference: monitor) {
    try await ComputePool.$current.withValue(pool) {
      try await ScenarioStarter(seed: ScenarioSeed(seed), plan: plan, clock: clock).run(body)
    }
  }
  return try await withTaskCancellationHandler {
    try await task.value
  } onCancel: {
    task.cancel()
    clock.end()
  }
}

/// Starts the parts of a scenario, and ends them in reverse.
private struct ScenarioStarter {
  /// The time of day at which each scenario starts.
  private static let start = Duration.seconds(1_770_000_000)
  private static let purpose = TemporaryFolder.Purpose(rawValue: "plumise-scenario")

  let seed: ScenarioSeed
  let plan: ScenarioPlan
  let clock: ManualClock

  func run<Result: Sendable>(
    _ body: @escaping @Sendable (Scenario) async throws -> Result
  ) async throws -> Result {
    let time = NetworkTime(startingAt: Self.start, clock: clock)
    let history = HistoryRecorder(clock: clock)
    let folder = try TemporaryFolder(Self.purpose)
    defer { folder.remove() }
    let network = ScenarioNetwork(
      plan: plan, seed: seed, time: time,
      chain: MockWeb3(plan.chain(seed), clock: clock, unixClock: time.unixClock), history: history)
    let oracleLink = network.link("oracle-chain")
    let parts = ScenarioNode.Parts(
      network: network, oracle: oracle(network, oracleLink), folder: folder.url)
    let nodes = plan.blocks.enumerated().map { ScenarioNode($0, blocks: $1, parts: parts) }
    return try await network.chain.withBlockProduction {
      // Nothing takes time before the body can let it pass.
      for link in nodes.flatMap(\.links) { link.delay(by: .zero) }
      for node in nodes { try await node.start() }
      return try await withPipelineClient(
        ClientModel(plan.model), transports: nodes.map { ScenarioTransport(node: $0) },
        clock: clock, logger: plan.logger
      ) { client in
        history.record(
          .network(nodes: nodes.count, blocks: plan.model.configuration.blockCount))
        let scenario = Scenario(
          network, oracle: parts.oracle, nodes: nodes, client: client, oracleLink: oracleLink)
        scenario.healLinks()
        let outcome: Swift.Result<Result, any Error>
        do { outcome = .success(try await body(scenario)) } catch { outcome = .failure(error) }
        await scenario.end()
        return try outcome.get()
      }
    }
  }

  private func oracle(_ network: ScenarioNetwork, _ link: ScenarioLink) -> MockOracle {
    let client = network.client(link)
    var configuration = OracleConfiguration(
      dialects: [.documented], registration: .chain(client), epoch: .chain(client),
      unixClock: network.time.unixClock, logger: plan.logger)
    if let account = network.chain.accounts.last {
      // Its own interval never ends: contributions are reported when an operation says so.
      configuration.contributions = ContributionPlan(
        account: OracleAccount(key: account.key, client: client), clock: clock)
    }
    return MockOracle(configuration)
  }
}
