import AsyncPrimitives
import Bloom
import ChainAgent
import EthereumClient
import EthereumPrimitives
import InferenceMetrics
import OracleReporter
import PetalsNode
import PlumiseWire
import Synchronization

/// A network's node from one of its starts to its end: what a process would hold.
final class NetworkNodeLife: Sendable {
  /// What the reports of a life ask of it.
  final class Identity: Sendable {
    private let alive = Mutex(true)

    /// Whether the process is there.
    var isAlive: Bool { alive.withLock { $0 } }

    func die() { alive.withLock { $0 = false } }
  }

  let node: PetalsNode
  let agent: ChainAgent
  let reporter: OracleReporter
  /// What the node does by itself.
  let services: TaskScope
  private let identity = Identity()
  private let grace: GraceClock
  private let running: Task<Void, any Error>
  private let serviceFailure = Mutex<(any Error)?>(nil)

  /// Begins to start a node.
  init(
    _ configuration: NodeConfiguration, key: SecretKey, proofs: ProofBuffer, setting: NodeSetting,
    index: Int
  ) throws {
    let (plan, time, part) = (setting.plan, setting.time, NetworkNode.name(index))
    let recorder = setting.recorder
    grace = GraceClock()
    var configuration = configuration
    // The end of a network does not wait for a test to move the clock.
    configuration.graceClock = grace
    let metrics = MetricsCollector(clock: time.clock, proofs: proofs)
    let node = PetalsNode(
      configuration, metrics: metrics, clock: time.background, logger: plan.logger)
    self.node = node
    reporter = OracleReporter(
      configuration: try ReporterConfiguration(
        oracleURL: setting.oracleAddress.url, interval: plan.reportInterval,
        dialect: plan.dialect),
      key: key, collector: metrics,
      transport: NetworkReports(
        of: identity, over: setting.client, note: { setting.note($0, of: part) },
        onAcceptance: { recorder.record(part, .reportAccepted($0)) }),
      clock: time.clock, unixClock: time.unixClock, logger: plan.logger)
    agent = ChainAgent(
      ChainAgentConfiguration(chainID: plan.chain.rules.chainID), key: key,
      client: EthereumClient(
        transport: HTTPTransport(url: setting.chainAddress.url, client: setting.client),
        clock: time.clock),
      logger: plan.logger)
    services = TaskScope(on: time.clock.monitor)
    // Not a child task: it ends by `end`, also when whoever started it was cancelled.
    running = Task { try await node.run() }
  }

  /// Waits until the node serves; one that does not, or whose caller is cancelled, has ended then.
  /// - Throws: what starting a node throws, or `CancellationError`.
  func waitUntilReady() async throws {
    do {
      try await node.waitUntilReady()
    } catch {
      node.stop()
      let end = await running.result
      // Why it did not become ready matters more than that it did not.
      if case .stopped? = error as? NodeStartError { try end.get() }
      throw error
    }
  }

  /// Runs the agent's service until the life ends.
  func run(_ service: AgentService, note: @escaping @Sendable (NetworkEvent.Kind) -> Void) {
    services.spawn { [self] in
      do {
        try await service.run()
      } catch {
        note(.serviceEnded(reason: "\(error)"))
        serviceFailure.withLock { $0 = error }
      }
    }
  }

  /// Stops it as an operator would: what is under way is finished, and a last report is sent.
  ///
  /// As much of the network's time passes as the last report needs, which an oracle that does not
  /// answer holds up.
  /// - Returns: why its agent's service ended before, if it did.
  func stop(on time: NetworkTime) async -> (any Error)? {
    services.cancel()
    await services.wait()
    if await reporter.isRunning {
      do { try await time.run { [reporter] in await reporter.stop() } } catch {
        // The caller was cancelled, or time does not bring it about: the wait below is for its end.
      }
      await reporter.stop()
    }
    node.stop()
    _ = await running.result
    return serviceFailure.withLock { $0 }
  }

  /// Ends it as a signal that cannot be caught does: nothing is sent any more, and connections break.
  func kill() async {
    identity.die()
    grace.expire()
    services.cancel()
    node.stop()
    await reporter.stop(within: .zero)
    await services.wait()
    _ = await running.result
  }
}
