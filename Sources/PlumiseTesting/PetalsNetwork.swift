public import Bloom
public import MockGateway
public import MockOracle
public import MockServing
public import MockWeb3
public import PetalsNode

/// A complete network, every part real: a chain, an oracle, and nodes that serve a model.
///
/// All of it listens on free ports of 127.0.0.1. It exists within ``withPetalsNetwork(_:isolation:_:)`` or a
/// test with a ``PetalsNetworkTrait``.
public final class PetalsNetwork: Sendable {
  /// The network's configuration.
  public let plan: NetworkPlan
  /// The time of chain, oracle, agents, reporters and uptimes, which stands still until a test moves
  /// its clock.
  public let time: NetworkTime
  /// The chain.
  public let chain: MockWeb3
  /// The address of the chain's JSON-RPC.
  public let chainAddress: ServerAddress
  /// The oracle.
  public let oracle: MockOracle
  /// The address of the oracle.
  public let oracleAddress: ServerAddress
  /// The faults of the connections to the oracle.
  public let oracleFaults: FaultScript
  /// The nodes, in the order of the plan.
  public let nodes: [NetworkNode]
  /// The gateway before the nodes; nil in a network without one.
  public let gateway: MockGateway?
  /// The address of the gateway.
  public let gatewayAddress: ServerAddress?

  init(
    plan: NetworkPlan, time: NetworkTime, chain: MockWeb3, chainAddress: ServerAddress,
    oracle: MockOracle, oracleAddress: ServerAddress, oracleFaults: FaultScript,
    nodes: [NetworkNode], gateway: MockGateway?, gatewayAddress: ServerAddress?
  ) {
    self.plan = plan
    self.time = time
    self.chain = chain
    self.chainAddress = chainAddress
    self.oracle = oracle
    self.oracleAddress = oracleAddress
    self.oracleFaults = oracleFaults
    self.nodes = nodes
    self.gateway = gateway
    self.gatewayAddress = gatewayAddress
  }

  /// The clock of the network's time: intervals, time-outs, retries and polls wait until a test
  /// moves it.
  public var clock: ManualClock { time.clock }

  /// The addresses of the nodes.
  public var peers: [PeerAddress] { nodes.map(\.peer) }

  /// Runs a body with a client that generates through the nodes.
  ///
  /// When it returns, the nodes have counted what was generated.
  /// - Parameters:
  ///   - limits: How long calls may take.
  ///   - recovery: How the client recovers from failed nodes.
  ///   - clock: The clock of both; by default real time, which generating takes.
  ///   - isolation: The actor that `body` runs on; the caller's.
  ///   - body: Generates.
  /// - Throws: what connecting throws, and what `body` throws.
  public func withClient<Result: Sendable>(
    limits: TransportLimits = TransportLimits(), recovery: RecoveryPolicy = RecoveryPolicy(),
    clock: any Clock<Duration> = ContinuousClock(),
    isolation: isolated (any Actor)? = #isolation,
    _ body: (PipelineClient) async throws -> Result
  ) async throws -> Result {
    try await withPipelineClient(
      plan.model, peers: peers, limits: limits, recovery: recovery, clock: clock,
      logger: plan.logger, body)
  }
}

extension PetalsNetwork {
  /// Generates a continuation of a text through all nodes, with a client of its own.
  ///
  /// Each node records a proof of the generation.
  /// - Parameters:
  ///   - prompt: What the text begins with; at least one token.
  ///   - maxNewTokens: Most tokens to generate.
  ///   - sampling: How tokens are chosen; greedily when not said.
  /// - Throws: `NodeError` and `RouteError`; ``MissingTokenizer``.
  public func generate(
    _ prompt: String, maxNewTokens: Int, sampling: SamplingParameters = .greedy
  ) async throws -> GenerationResult {
    try await generate(
      PipelineRequest(
        promptIDs: try encode(prompt), prompt: prompt, maxNewTokens: maxNewTokens,
        sampling: sampling))
  }

  /// Generates a continuation of token ids through all nodes, with a client of its own.
  ///
  /// - Throws: `NodeError` and `RouteError`.
  public func generate(
    _ prompt: [Int32], maxNewTokens: Int, sampling: SamplingParameters = .greedy
  ) async throws -> GenerationResult {
    try await generate(
      PipelineRequest(promptIDs: prompt, maxNewTokens: maxNewTokens, sampling: sampling))
  }

  /// Generates with the whole model in this process, to compare ids with.
  ///
  /// - Throws: `TokenError`; ``MissingTokenizer``.
  public func generateLocally(
    _ prompt: String, maxNewTokens: Int, sampling: SamplingParameters = .greedy
  ) async throws -> [Int32] {
    let request = GenerationRequest(
      prompt: try encode(prompt), maxNewTokens: maxNewTokens, sampling: sampling)
    return try await LocalGenerator(plan.model.checkpoint).generate(request).ids
  }

  private func generate(_ request: PipelineRequest) async throws -> GenerationResult {
    try await withClient { try await $0.generate(request).collect() }
  }

  private func encode(_ text: String) throws -> [Int32] {
    guard let tokenizer = plan.model.tokenizer else { throw MissingTokenizer() }
    return tokenizer.encode(text)
  }

  /// The error of a text prompt for a model without a tokenizer.
  public struct MissingTokenizer: Error, CustomStringConvertible {
    /// Says what to do.
    public var description: String {
      "the network's model has no tokenizer: generate from token ids, or give ClientModel one"
    }
  }
}
