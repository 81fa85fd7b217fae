import EthereumClient
import MockOracle
import MockServing
import MockWeb3

/// Runs a body with a fresh network: chain and oracle up, every node ready, every agent funded.
///
/// Nothing of it is left when this returns, whether the body returned, threw or was cancelled:
/// reporters have sent their last report, sessions are closed, ports are free.
///
/// - Parameters:
///   - plan: What the network is like.
///   - body: What is done with it.
/// - Throws: what starting a part throws, and what `body` throws.
public func withPetalsNetwork<Result: Sendable>(
  _ plan: NetworkPlan,
  _ body: (PetalsNetwork) async throws -> Result
) async throws -> Result {
  let clock = ManualClock()
  let faults = FaultScript(clock: clock)
  let chain = MockWeb3(plan.chain, clock: clock)
  return try await chain.withServer { chainAddress in
    var configuration = OracleConfiguration(dialects: [plan.dialect], logger: plan.logger)
    let client = EthereumClient(url: chainAddress.url)
    if plan.oracleAsksChain {
      configuration.registration = RegistrationCheck {
        try await client.agentStatus(of: $0).isRegistered
      }
    }
    if let account = plan.rewardOracle {
      configuration.epoch = .chain(client)
      // A clock of its own, which nobody moves: contributions are reported when a test says so.
      configuration.contributions = ContributionPlan(
        account: OracleAccount(key: account.key, client: client), clock: ManualClock())
    }
    let oracle = MockOracle(configuration)
    return try await oracle.withServer(faults: faults) { oracleAddress in
      let start = NodeStart(
        plan: plan, clock: clock, chain: chain, chainAddress: chainAddress,
        oracleAddress: oracleAddress, oracleFaults: faults)
      return try await start.withNodes { nodes in
        let network = PetalsNetwork(
          plan: plan, clock: clock, chain: chain, chainAddress: chainAddress, oracle: oracle,
          oracleAddress: oracleAddress, oracleFaults: faults, nodes: nodes)
        return try await body(network)
      }
    }
  }
}
