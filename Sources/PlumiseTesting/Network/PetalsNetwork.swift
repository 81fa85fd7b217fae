public import MockOracle
public import MockServing
public import MockWeb3
public import PetalsNode

/// A complete network, every part real: a chain, an oracle, and nodes that serve a model.
///
/// All of it listens on free ports of 127.0.0.1 and lives within
/// ``withPetalsNetwork(_:_:)`` or a test's ``PetalsNetworkTrait``.
public final class PetalsNetwork: Sendable {
  /// What the network is like.
  public let plan: NetworkPlan
  /// The clock of the intervals: reports and heartbeats wait until a test moves it.
  public let clock: ManualClock
  /// The chain.
  public let chain: MockWeb3
  /// Where the chain answers JSON-RPC.
  public let chainAddress: ServerAddress
  /// The oracle.
  public let oracle: MockOracle
  /// Where the oracle takes reports.
  public let oracleAddress: ServerAddress
  /// What goes wrong on the way to the oracle.
  public let oracleFaults: FaultScript
  /// The nodes, in the order of the plan.
  public let nodes: [NetworkNode]

  init(
    plan: NetworkPlan, clock: ManualClock, chain: MockWeb3, chainAddress: ServerAddress,
    oracle: MockOracle, oracleAddress: ServerAddress, oracleFaults: FaultScript,
    nodes: [NetworkNode]
  ) {
    self.plan = plan
    self.clock = clock
    self.chain = chain
    self.chainAddress = chainAddress
    self.oracle = oracle
    self.oracleAddress = oracleAddress
    self.oracleFaults = oracleFaults
    self.nodes = nodes
  }

  /// Where the nodes serve their blocks.
  public var peers: [PeerAddress] { nodes.map(\.peer) }

  /// Runs a body with a client that generates through the nodes.
  ///
  /// When it returns, the nodes have counted what was generated.
  /// - Parameters:
  ///   - limits: How long calls may take.
  ///   - recovery: How the client goes on when a node fails.
  ///   - clock: What measures both; the network's own clock is for its intervals.
  ///   - body: Generates.
  /// - Throws: what connecting throws, and what `body` throws.
  public func withClient<Result: Sendable>(
    limits: TransportLimits = TransportLimits(), recovery: RecoveryPolicy = RecoveryPolicy(),
    clock: any Clock<Duration> = ContinuousClock(),
    _ body: (PipelineClient) async throws -> Result
  ) async throws -> Result {
    try await withPipelineClient(
      plan.model, peers: peers, limits: limits, recovery: recovery, clock: clock,
      logger: plan.logger, body)
  }
}
