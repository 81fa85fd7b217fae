public import MockWeb3
public import Testing

/// Makes things go wrong on the chain of a test's network.
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
///
/// It stands behind the ``PetalsNetworkTrait`` whose network it is meant for. The faults are there
/// when the test's body begins, and gone when it ends.
public struct ChainFaultsTrait: TestTrait, SuiteTrait, TestScoping {
  private let rules: [ChainFaultRule]
  private let seed: UInt64

  init(_ rules: [ChainFaultRule], seed: UInt64) {
    self.rules = rules
    self.seed = seed
  }

  /// True: a suite's trait applies to each of its tests.
  public var isRecursive: Bool { true }

  /// Runs one case of a test with the faults.
  /// - Throws: `PetalsNetwork.NoNetwork` when no network was made before.
  public func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    let chain = try PetalsNetwork.current.chain
    chain.seedFaults(seed)
    for rule in rules { chain.inject(rule) }
    defer { chain.clearFaults() }
    try await function()
  }
}

extension Trait where Self == ChainFaultsTrait {
  /// Faults of the chain, for the test's network.
  /// - Parameters:
  ///   - rules: what goes wrong, and whom it meets.
  ///   - seed: decides about the faults that have a probability.
  public static func chainFaults(_ rules: ChainFaultRule..., seed: UInt64 = 0) -> Self {
    Self(rules, seed: seed)
  }
}
