import Bloom
import EthereumPrimitives
import MockOracle
import MockWeb3
import PlumiseWire

/// Notes in the history of a scenario what came of it: the accounts of oracle and chain, and what the
/// whole model makes of each prompt without a network.
struct ScenarioAccounts {
  private let scenario: Scenario
  private let blocks: [Block]

  init(_ scenario: Scenario) {
    self.scenario = scenario
    blocks = (0...scenario.chain.blockNumber).compactMap { scenario.chain.block($0) }
  }

  /// Notes everything.
  func record() async throws {
    for node in scenario.nodes { record(node) }
    recordRewards()
    recordSupply()
    for case .agent(_, _, let confirmed?) in scenario.history.events {
      let block = scenario.chain.block(confirmed.block)
      scenario.recorder.record(.final(confirmed, isOnChain: block?.hash == confirmed.blockHash))
    }
    try await recordUndisturbed()
  }

  private func record(_ node: ScenarioNode) {
    let (oracle, chain, index) = (scenario.oracle, scenario.chain, node.index)
    let record = oracle.agent(node.address)
    scenario.recorder.record(
      .oracleTotals(
        node: index, tokens: record?.processedTokens ?? 0, reports: record?.reportCount ?? 0,
        proofs: oracle.proofs(of: node.address).map {
          HistoryEvent.proof(input: $0.inputHash, output: $0.outputHash, tokens: $0.tokenCount)
        }))
    let now = UInt64(max(0, scenario.time.unixClock.seconds))
    scenario.recorder.record(
      .registration(
        node: index,
        sinceHeartbeat: chain.agent(node.address).map { now - min(now, $0.lastHeartbeat) }))
    let reported = oracle.contributions?.entries.reduce(Word.zero) { sum, outcome in
      guard outcome.agent == node.address, case .reported = outcome.result else { return sum }
      return sum + outcome.score.contribution.taskCount
    }
    scenario.recorder.record(
      .contribution(
        node: index, reported: reported ?? .zero,
        onChain: chain.contribution(of: node.address)?.taskCount ?? .zero))
    scenario.recorder.record(
      .coins(
        node: index,
        HistoryEvent.Coins(
          first: DevelopmentAccount.defaultBalance, spent: spent(by: node.address),
          claimed: claimed(by: node.address), balance: chain.balance(of: node.address))))
  }

  private func spent(by account: Address) -> Word {
    blocks.flatMap(\.receipts).filter { $0.sender == account }
      .reduce(Word.zero) { $0 + Word($1.gasUsed) * $1.effectiveGasPrice }
  }

  /// What an event says of an amount: its first word of data.
  private func amounts(of event: ContractEvent, for agent: Address? = nil) -> Word {
    blocks.flatMap(\.receipts).flatMap(\.logs)
      .filter { log in
        log.topics.first == event.topic
          && agent.map { log.topics.count > 1 && log.topics[1].word == $0.word } ?? true
      }
      .reduce(Word.zero) { sum, log in
        // The chain writes whole words.
        sum + ((try? Word(bigEndian: log.data.prefix(32))) ?? .zero)
      }
  }

  private func claimed(by agent: Address) -> Word { amounts(of: .rewardClaimed, for: agent) }

  private func recordRewards() {
    let pending = scenario.nodes.reduce(Word.zero) {
      $0 + scenario.chain.pendingReward(of: $1.address)
    }
    scenario.recorder.record(
      .rewards(
        distributed: amounts(of: .rewardsDistributed), claimed: amounts(of: .rewardClaimed),
        pending: pending))
  }

  private func recordSupply() {
    let chain = scenario.chain
    let rules = chain.configuration.rules
    let accounts =
      chain.accounts.map(\.address) + scenario.nodes.map(\.address)
      + [rules.poolAddress, rules.coinbase]
    let made = blocks.dropFirst().reduce(Word.zero) { sum, _ in sum + rules.blockReward }
    let burnt = blocks.reduce(Word.zero) {
      $0 + Word($1.header.gasUsed) * $1.header.baseFeePerGas
    }
    let first =
      chain.configuration.accounts.reduce(Word.zero) { $0 + $1.balance }
      + chain.configuration.balances.values.reduce(Word.zero, +)
    scenario.recorder.record(
      .supply(
        first: first, made: made, burnt: burnt,
        held: accounts.reduce(Word.zero) { $0 + chain.balance(of: $1) }))
  }

  private func recordUndisturbed() async throws {
    let generator = LocalGenerator(scenario.plan.model, clock: scenario.time.clock)
    for case .generationBegan(let id, let prompt, let count) in scenario.history.events {
      let result = try await generator.generate(
        GenerationRequest(prompt: prompt, maxNewTokens: count))
      scenario.recorder.record(.undisturbed(id, ids: result.ids))
    }
  }
}
