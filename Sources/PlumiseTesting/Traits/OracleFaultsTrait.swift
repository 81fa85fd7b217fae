public import MockServing
public import Testing

/// Makes things go wrong on the way to the oracle of a test's network.
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
///
/// It stands behind the ``PetalsNetworkTrait`` whose network it is meant for. The faults are there
/// when the test's body begins, and gone when it ends: the nodes' last reports meet none.
public struct OracleFaultsTrait: TestTrait, SuiteTrait, TestScoping {
  private let rules: [FaultRule]
  private let seed: UInt64

  init(_ rules: [FaultRule], seed: UInt64) {
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
    let faults = try PetalsNetwork.current.oracleFaults
    faults.seed(seed)
    for rule in rules { faults.add(rule) }
    defer { faults.clear() }
    try await function()
  }
}

extension Trait where Self == OracleFaultsTrait {
  /// Faults on the way to the oracle, for the test's network.
  /// - Parameters:
  ///   - rules: what goes wrong, and which requests it meets.
  ///   - seed: decides about the faults that are likely and not certain.
  public static func oracleFaults(_ rules: FaultRule..., seed: UInt64 = 0) -> Self {
    Self(rules, seed: seed)
  }
}
