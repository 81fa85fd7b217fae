import AsyncPrimitives
import Bloom
import ChainAgent
import EthereumClient
import EthereumPrimitives
public import MockOracle
public import MockWeb3
public import PetalsNode
import PlumiseWire
import Synchronization

/// A whole network in memory, on network time and on one serial executor: nodes, oracle and chain, and a
/// client that generates.
///
/// Keys, latencies and choices follow from the seed, and nothing runs at the same time as anything else:
/// the same seed, plan and calls give the same ``history``, byte for byte. It exists within
/// ``withScenario(seed:plan:_:)``.
public final class Scenario: Sendable {
  /// The gas limit of the treasurer's calls: sharing out among the 200 agents that an epoch can have
  /// takes some eight million.
  private static let gasLimit: UInt64 = 10_000_000

  /// Where the scenario's choices come from.
  public let seed: UInt64
  /// The network and its faults.
  public let plan: ScenarioPlan
  /// The time of all parts.
  public let time: NetworkTime
  /// The chain.
  public let chain: MockWeb3
  /// The oracle.
  public let oracle: MockOracle
  /// The nodes, in the order of the plan.
  public let nodes: [ScenarioNode]
  /// Generates through the nodes.
  public let client: PipelineClient
  let recorder: HistoryRecorder
  private let oracleLink: ScenarioLink
  /// Shares out rewards.
  private let treasurer: ChainAgent
  private let generations = Mutex(0)
  private let isPaying = Mutex(false)
  /// Generations and payments under way.
  private let work: TaskScope

  init(
    _ network: ScenarioNetwork, oracle: MockOracle, nodes: [ScenarioNode],
    client: PipelineClient, oracleLink: ScenarioLink
  ) {
    seed = network.seed.seed
    plan = network.plan
    time = network.time
    chain = network.chain
    recorder = network.history
    self.oracle = oracle
    self.nodes = nodes
    self.client = client
    self.oracleLink = oracleLink
    treasurer = ChainAgent(
      ChainAgentConfiguration(pollInterval: .seconds(1)), key: network.chain.accounts[0].key,
      client: network.client(network.link("treasurer-chain")))
    work = TaskScope(on: network.time.clock.idleMonitor)
  }

  /// What has happened up to now.
  public var history: History { recorder.history }

  /// The links, in a fixed order: of each node those to the client, the oracle and the chain, then that
  /// of the oracle to the chain.
  public var links: [ScenarioLink] { nodes.flatMap(\.links) + [oracleLink] }

  /// The node at a place; nil for a place that the plan does not have.
  public func node(_ index: Int) -> ScenarioNode? {
    nodes.indices.contains(index) ? nodes[index] : nil
  }

  /// The link at a place of ``links``; nil for a place that there is not.
  public func link(_ index: Int) -> ScenarioLink? {
    let links = links
    return links.indices.contains(index) ? links[index] : nil
  }

  /// Adds an event of the test's own to the history.
  public func record(_ name: String, _ text: String) { recorder.record(.custom(name, text)) }

  /// Begins a generation, which goes on as time passes.
  public func generate(_ prompt: [Int32], maxNewTokens: Int) {
    let id = generations.withLock { count in
      defer { count += 1 }
      return count
    }
    recorder.record(.generationBegan(id, prompt: prompt, maxNewTokens: maxNewTokens))
    work.spawn { [client, recorder] in
      let ids = Mutex<[Int32]>([])
      do {
        let request = try PipelineRequest(promptIDs: prompt, maxNewTokens: maxNewTokens)
        let result = try await client.generate(request).collect { token in
          ids.withLock { $0.append(token.id) }
        }
        recorder.record(
          .generated(
            id, ids: result.generatedIDs,
            hops: result.route.hops.map { .init(node: $0.peer, blocks: $0.blocks.indices) }))
      } catch {
        recorder.record(
          .generationFailed(id, ids: ids.withLock { $0 }, reason: Self.reason(error)))
      }
    }
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case let error as NodeError: "\(error.code)"
    case let error as RouteError: "\(error)"
    default: "\(type(of: error))"
    }
  }

  /// Repairs all links.
  public func healLinks() {
    for link in links { link.heal() }
  }

  /// Has the oracle report the contributions of ended epochs, and shares out what the pool has for them;
  /// goes on as time passes.
  public func payRewards() {
    let mayBegin = isPaying.withLock { isPaying in
      defer { isPaying = true }
      return !isPaying
    }
    guard mayBegin else { return }
    work.spawn { [self] in
      await oracle.reportContributions()
      let pool = PlumiseNetwork.Contract.rewardPool
      do {
        let current = chain.epoch
        _ = try await treasurer.send(
          to: pool, data: RewardPoolCall.syncRewards.input, gasLimit: Self.gasLimit)
        // Earlier ones were shared out, or have nothing to share.
        for epoch in max(current, 3) - 3..<current {
          let call = RewardPoolCall.distributeRewards(epoch: Word(epoch))
          do {
            _ = try await treasurer.send(to: pool, data: call.input, gasLimit: Self.gasLimit)
          } catch let error as ChainError where error.code == .reverted {
            recorder.record(.custom("epoch \(epoch)", error.reason ?? "reverted"))
          }
        }
      } catch {
        recorder.record(.custom("payment", (error as? ChainError)?.code.rawValue ?? "\(error)"))
      }
      isPaying.withLock { $0 = false }
    }
  }

  /// Runs the steps of a schedule, each by its number.
  ///
  /// - Throws: `CancellationError`. What a step throws is noted in the history.
  public func play(_ steps: [(number: Int, operation: any ScenarioOperation)]) async throws {
    for (number, operation) in steps {
      try Task.checkCancellation()
      recorder.record(.step(number, "\(operation)"))
      do { try await operation.run(in: self) } catch {
        try Task.checkCancellation()
        recorder.record(.operationFailed(number, "\(error)"))
      }
    }
  }

  /// Repairs everything, lets what is under way end, stops the nodes, and notes what came of it.
  ///
  /// - Throws: `CancellationError`, and what starting a node throws.
  public func settle() async throws {
    recorder.record(.settling)
    healLinks()
    chain.clearFaults()
    for node in nodes { try await time.run { try await node.start() } }
    try await time.advance(by: plan.settling)
    await expectEnd(of: "generations and payments") { [work] in await work.wait() }
    // What is reported in one epoch is shared out in the next.
    for _ in 0..<2 {
      payRewards()
      try await time.advance(by: plan.settling)
      await expectEnd(of: "payments") { [work] in await work.wait() }
    }
    for node in nodes {
      await expectEnd(of: "the last report of node \(node.index)") { await node.stop() }
    }
    try await ScenarioAccounts(self).record()
  }

  private func expectEnd(
    of what: String, _ operation: @escaping @Sendable () async -> Void
  ) async {
    do { try await time.run(operation) } catch { recorder.record(.unended("\(what): \(error)")) }
  }

  /// Gives up whatever is under way.
  func end() async {
    time.clock.end()
    work.cancel()
    await work.wait()
    for node in nodes { await node.crash() }
  }
}

/// The history of a scenario, while it is written.
final class HistoryRecorder: Sendable {
  private let clock: ManualClock
  private let state = Mutex(History())

  init(clock: ManualClock) { self.clock = clock }

  /// What has happened up to now.
  var history: History { state.withLock { $0 } }

  /// Notes what happens now.
  func record(_ event: HistoryEvent) {
    let now = clock.now.offset
    state.withLock { $0.append(event, at: now) }
  }

  /// Notes an event of an agent's service.
  func record(_ event: AgentEvent, of node: Int) {
    note(node, event.summary, event.receipt)
  }

  private func note(_ node: Int, _ text: String, _ receipt: Receipt? = nil) {
    let confirmed = receipt.map {
      HistoryEvent.Confirmation(
        transaction: $0.transactionHash, block: $0.blockNumber, blockHash: $0.blockHash)
    }
    record(.agent(node: node, text, confirmed: confirmed))
  }
}
