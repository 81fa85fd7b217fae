import MockWeb3
import PlumiseTesting
import Testing

// snippet: Documentation/Chain.md
import ChainAgent
import EthereumClient
import EthereumPrimitives
import Logging
import PlumiseWire
import ServiceLifecycle
import UnixSignals

/// Runs an agent until SIGTERM; the intervals are measured on the clock.
func runAgent(
  as key: SecretKey, on url: String, clock: any Clock<Duration> = ContinuousClock()
) async throws {
  let agent = ChainAgent(key: key, client: EthereumClient(url: url))
  let service = AgentService(
    agent, registration: AgentRegistration(name: "a", modelHash: Keccak256.hash("bloom-560m")),
    schedule: .init(claimInterval: .seconds(3600), claimThreshold: 1_000_000_000_000_000_000),
    clock: clock)
  let services = ServiceGroup(
    services: [service], gracefulShutdownSignals: [.sigterm], logger: Logger(label: "agent"))
  try await services.run()
}
// end of snippet

@Suite("The life of an agent, as the documentation shows it", .timeLimit(.minutes(5)))
struct AgentLifeTests {
  @Test("It registers, sends a heartbeat, and waits until the next is due")
  func registersAndBeats() async throws {
    let chain = MockWeb3()
    let account = chain.accounts[0]
    let clock = ManualClock()
    try await chain.withServer { address in
      let life = Task { try await runAgent(as: account.key, on: address.url, clock: clock) }
      try await clock.waitForSleeper(until: .seconds(120))
      #expect(chain.agent(account.address)?.lastHeartbeat ?? 0 > 0)
      life.cancel()
      // How a group of services ends that is cancelled is its own affair.
      _ = await life.result
    }
  }
}
