public import Foundation
public import MockServing
public import MockWeb3
public import Testing

/// Gives each test, and each case of a parameterised one, a fresh network.
///
/// ```swift
/// import PlumiseTesting
/// import Testing
///
/// @Test("Two nodes generate what one generates", .petalsNetwork(nodes: 2))
/// func twoNodes() async throws {
///   let network = try PetalsNetwork.current
///   let text = try await network.generate("Hello", maxNewTokens: 8)
///   #expect(try await text.generatedIDs == network.generateLocally("Hello", maxNewTokens: 8))
/// }
/// ```
///
/// The network is torn down when the test returns, throws, or runs into its time limit. An issue of the test
/// gets comments that name what probably caused it, as an agent that is not registered, and the network's
/// ``NetworkReport`` is attached to the test.
public struct PetalsNetworkTrait: TestTrait, SuiteTrait, TestScoping {
  private let plan: @Sendable () throws -> NetworkPlan
  private let transport: NetworkTransport

  init(
    transport: NetworkTransport = .grpc, _ plan: @escaping @Sendable () throws -> NetworkPlan
  ) {
    self.plan = plan
    self.transport = transport
  }

  /// True: a suite's trait applies to each of its tests.
  public var isRecursive: Bool { true }

  /// Skips a test, with the reason, whose transport this machine cannot have.
  public func prepare(for test: Test) async throws {
    guard let reason = await transport.unavailability() else { return }
    try await ConditionTrait.disabled(Comment(rawValue: reason)).prepare(for: test)
  }

  /// Runs one case of a test within a network of its own.
  public func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    let waiting = PetalsNetwork.waitingFaults
    try await withPetalsNetwork(plan()) { network in
      for faults in waiting { faults.inject(network) }
      defer { for faults in waiting { faults.clear(network) } }
      try await PetalsNetwork.$running.withValue(network) {
        // They are this network's: one within it begins without.
        try await PetalsNetwork.$waitingFaults.withValue([]) {
          try await FailureReport(network: network)
            .provideScope(for: test, testCase: testCase, performing: function)
        }
      }
    }
  }
}

extension Trait where Self == PetalsNetworkTrait {
  /// A fresh network of two nodes on the tiny model, with its chain and its oracle.
  public static var petalsNetwork: Self { petalsNetwork(nodes: 2) }

  /// A fresh network of `nodes` nodes on the tiny model, with its chain and its oracle.
  public static func petalsNetwork(nodes: Int) -> Self {
    network(nodes: .even(nodes))
  }

  /// A fresh network as planned; the plan is made anew for each test.
  public static func petalsNetwork(
    _ plan: @escaping @Sendable () throws -> NetworkPlan
  ) -> Self {
    Self(plan)
  }
}

extension Trait where Self == PetalsNetworkTrait {
  /// A fresh network whose parts are of the kinds that are named, for each test.
  ///
  /// ```swift
  /// import PlumiseTesting
  /// import Testing
  ///
  /// @Test(
  ///   "The oracle puts the agents on the chain",
  ///   .network(nodes: .split(at: 8), oracle: .deployed, agents: .newest, chain: .testnet2026))
  /// func sponsored() async throws {
  ///   let network = try PetalsNetwork.current
  ///   for node in network.nodes { #expect(network.chain.isRegistered(node.address)) }
  /// }
  /// ```
  /// - Parameters:
  ///   - nodes: How the nodes share the model's blocks: a number of nodes, or `.split(at:)`.
  ///   - oracle: The documented or the deployed one, which does on the chain what it does by itself.
  ///   - agents: Documented nodes or newest agents.
  ///   - chain: The chain's profile.
  ///   - gateway: The gateway before the nodes, if there is one.
  ///   - links: Whether the test can break the ways between parts.
  ///   - transport: How clients reach the nodes; a test is skipped where this machine cannot have it.
  ///   - genesis: A genesis file of go-ethereum, whose accounts and contracts the chain has besides.
  ///   - artifacts: Artifacts of Hardhat or Foundry whose contracts are there from the first block on;
  ///     ``NetworkPlan/contracts`` of the network's plan has their addresses.
  ///   - configure: Changes anything else of the plan.
  public static func network(
    nodes: NodeLayout = 2, oracle: OracleKind = .documented, agents: AgentKind = .documented,
    chain: ChainProfile = .default, gateway: GatewayKind = .none, links: LinkKind = .direct,
    transport: NetworkTransport = .grpc,
    genesis: URL? = nil, deploying artifacts: [URL] = [],
    configure: @escaping @Sendable (inout NetworkPlan) throws -> Void = { _ in }
  ) -> Self {
    Self(transport: transport) {
      var plan = try NetworkPlan(
        nodes: nodes, oracle: oracle, agents: agents, chain: chain, gateway: gateway, links: links,
        transport: transport)
      try plan.beginChain(withGenesis: genesis, deploying: artifacts)
      try configure(&plan)
      return plan
    }
  }
}

extension PetalsNetwork {
  @TaskLocal package static var running: PetalsNetwork?
  /// The faults of traits that stand before the test's ``PetalsNetworkTrait``, in their order.
  @TaskLocal fileprivate static var waitingFaults: [TraitFaults] = []

  /// The network of the running test.
  ///
  /// - Throws: ``MissingNetwork`` outside a test with a ``PetalsNetworkTrait``.
  public static var current: PetalsNetwork {
    get throws {
      guard let running else { throw MissingNetwork() }
      return running
    }
  }

  /// The error of ``PetalsNetwork/current`` outside a test with a network.
  public struct MissingNetwork: Error, CustomStringConvertible {
    /// Says what to do.
    public var description: String {
      """
      this test has no network: give it, or its suite, the trait .network(nodes:) or .petalsNetwork(nodes:); in a \
      detached task or a callback, which do not inherit the test's, use the network that the test's \
      body got from PetalsNetwork.current
      """
    }
  }
}

/// What a trait does to a test's network, whichever of the two stands first.
private struct TraitFaults: Sendable {
  let inject: @Sendable (PetalsNetwork) -> Void
  let clear: @Sendable (PetalsNetwork) -> Void

  /// Runs a test's body with the faults; without a network yet, the trait that makes one injects them.
  func provideScope(
    for test: Test, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    if let network = PetalsNetwork.running {
      inject(network)
      defer { clear(network) }
      try await function()
    } else {
      guard test.traits.contains(where: { $0 is PetalsNetworkTrait }) else {
        throw PetalsNetwork.MissingNetwork()
      }
      let waiting = PetalsNetwork.waitingFaults + [self]
      try await PetalsNetwork.$waitingFaults.withValue(waiting) { try await function() }
    }
  }
}

/// Injects faults into the network of a test: ``OracleFaultsTrait`` and ``ChainFaultsTrait``.
///
/// It may stand before or after the ``PetalsNetworkTrait`` of the test. The faults are active while the
/// test's body runs; what the network does when it is torn down, the nodes' final reports among it, meets none.
public struct FaultsTrait<Rule: Sendable>: TestTrait, SuiteTrait, TestScoping {
  private let faults: TraitFaults

  init(
    _ rules: [Rule], inject: @escaping @Sendable (PetalsNetwork, [Rule]) -> Void,
    clear: @escaping @Sendable (PetalsNetwork) -> Void
  ) {
    faults = TraitFaults(inject: { inject($0, rules) }, clear: clear)
  }

  /// True: a suite's trait applies to each of its tests.
  public var isRecursive: Bool { true }

  /// Runs one case of a test with the faults.
  /// - Throws: `PetalsNetwork.MissingNetwork` when the test has no ``PetalsNetworkTrait``.
  public func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    try await faults.provideScope(for: test, performing: function)
  }
}

/// Injects faults into the connections to the oracle of a test's network.
///
/// ```swift
/// import MockServing
/// import PlumiseTesting
/// import Testing
///
/// @Test(
///   "A report whose answer is lost counts once", .petalsNetwork(nodes: 1),
///   .oracleFaults(FaultRule(.drop(.beforeAnswer, .reset))))
/// func lostAnswer() async throws {
///   let network = try PetalsNetwork.current
///   let node = network.nodes[0]
///   try await node.register()
///   #expect(await !node.reporter.reportNow().isAccepted)
///   #expect(await node.reporter.reportNow().isAccepted)
///   #expect(network.oracle.agent(node.address)?.processedTokens == 0)
/// }
/// ```
public typealias OracleFaultsTrait = FaultsTrait<FaultRule>

extension Trait where Self == OracleFaultsTrait {
  /// Faults of the connections to the oracle of the test's network.
  /// - Parameters:
  ///   - rules: the faults, and the requests that get them.
  ///   - seed: the seed of faults with a probability.
  public static func oracleFaults(_ rules: FaultRule..., seed: UInt64 = 0) -> Self {
    Self(rules) { network, rules in
      network.oracleFaults.seed(seed)
      for rule in rules { network.oracleFaults.add(rule) }
    } clear: {
      $0.oracleFaults.clear()
    }
  }
}

/// Injects faults into the chain of a test's network.
///
/// ```swift
/// import MockWeb3
/// import PlumiseTesting
/// import Testing
///
/// @Test(
///   "A registration that is reverted throws, and the next one is made", .petalsNetwork(nodes: 1),
///   .chainFaults(ChainFaultRule(.revert(reason: "no"))))
/// func revertedRegistration() async throws {
///   let network = try PetalsNetwork.current
///   let node = network.nodes[0]
///   await #expect(throws: (any Error).self) { try await node.register() }
///   try await node.register()
///   #expect(network.chain.isRegistered(node.address))
/// }
/// ```
public typealias ChainFaultsTrait = FaultsTrait<ChainFaultRule>

extension Trait where Self == ChainFaultsTrait {
  /// Faults of the chain, for the test's network.
  /// - Parameters:
  ///   - rules: the faults, and the requests and transactions that get them.
  ///   - seed: the seed of faults with a probability.
  public static func chainFaults(_ rules: ChainFaultRule..., seed: UInt64 = 0) -> Self {
    Self(rules) { network, rules in
      network.chain.seedFaults(seed)
      for rule in rules { network.chain.inject(rule) }
    } clear: {
      $0.chain.clearFaults()
    }
  }
}
