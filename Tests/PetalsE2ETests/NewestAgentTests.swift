import EthereumClient
import EthereumPrimitives
import MockOracle
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

/// The newest kind of agent, which joins a pipeline and then only reports: everything that it has on
/// the chain the oracle does for it.
@Suite("The newest agent", .timeLimit(.minutes(5))) struct NewestAgentTests {
  private struct Step {
    let oracle: MockOracle
    let chain: MockWeb3

    /// An epoch in which the agent reports, and the oracle does what is due.
    func liveThroughEpoch(_ key: SecretKey, reporting timestamp: Int64) async throws -> Int {
      await oracle.perform(.monitoring)
      await oracle.perform(.contributions)
      chain.mine(Int(PlumiseNetwork.epochBlocks))
      await oracle.perform(.heartbeats)
      let report = try deployedReport(
        by: key, tokens: timestamp - Int64(TestChain.time), timestamp: timestamp)
      let answer = await oracle.post(report, to: ReportDialect.deployed.path)
      await oracle.perform(.contributions)
      await oracle.perform(.distribution)
      await oracle.perform(.claims)
      return answer.status
    }
  }

  @Test(
    "51: an agent that only reports is paid where there is one set of records, and nowhere else",
    arguments: [
      (ChainProfile.default, OracleProfile.fixed), (.default, .faithful),
      (.testnet2026, .fixed), (.testnet2026, .faithful),
      (.mainnet2026, .fixed), (.mainnet2026, .faithful),
    ])
  func onlyReports(chainProfile: ChainProfile, profile: OracleProfile) async throws {
    let network = TestChain(ChainConfiguration(profile: chainProfile))
    let start = Int64(TestChain.time)
    var configuration = OracleConfiguration(
      dialects: [.deployed], profile: profile, registration: .chain(network.client),
      epoch: .chain(network.client), unixClock: TestTime(start).clock)
    configuration.chainOperations = ChainOperationsPlan(
      account: OracleAccount(key: network.oracle.key, client: network.client),
      clock: ManualClock())
    let oracle = MockOracle(configuration)
    let key = try testKey()
    let joined = pipelineRegistration(by: key, timestamp: start)
    #expect(await oracle.post(joined, to: PipelineRegistration.path).status == 201)
    #expect(try await network.client.isAgentAccount(key.address))

    // Rewards of an epoch are shared out in the next but one, since each sync counts for the epoch
    // that has begun.
    let step = Step(oracle: oracle, chain: network.chain)
    for second in 1...4 as ClosedRange<Int64> {
      #expect(try await step.liveThroughEpoch(key, reporting: start + second) == 201)
    }

    let outcomes = oracle.chainOperations?.entries ?? []
    let reports = outcomes.filter { $0.contribution != nil }
    let balance = network.chain.balance(of: key.address)
    #expect(reports.map(\.epoch) == [1, 2, 3, 4])
    if chainProfile == .default {
      // It never sent a transaction, and is active: the oracle's heartbeats are its own.
      #expect(network.chain.agent(key.address)?.status == .active)
      #expect(network.chain.nonce(of: key.address) == 0)
      #expect(
        reports.allSatisfy {
          if case .mined(_, succeeded: true) = $0.result { true } else { false }
        })
      #expect(balance > .zero)
      #expect(outcomes.contains { $0.operation == .claims && $0.agent == key.address })
    } else {
      // The report is accepted, the contribution is reverted, and nothing is paid.
      #expect(
        reports.allSatisfy { "\($0.result)".contains("Agent not registered") })
      #expect(balance == .zero)
      #expect(!outcomes.contains { $0.operation == .claims })
    }
  }
}
