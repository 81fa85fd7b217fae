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
///   let text = try await network.generate("Hello", newTokens: 8)
///   #expect(try await text.generatedIDs == network.generateAlone("Hello", newTokens: 8))
/// }
/// ```
///
/// The network is torn down when the test returns, throws, or runs into its time limit.
public struct PetalsNetworkTrait: TestTrait, SuiteTrait, TestScoping {
  private let plan: @Sendable () throws -> NetworkPlan

  init(_ plan: @escaping @Sendable () throws -> NetworkPlan) { self.plan = plan }

  /// True: a suite's trait applies to each of its tests.
  public var isRecursive: Bool { true }

  /// Runs one case of a test within a network of its own.
  public func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    try await withPetalsNetwork(plan()) { network in
      try await PetalsNetwork.$running.withValue(network) { try await function() }
    }
  }
}

extension Trait where Self == PetalsNetworkTrait {
  /// A fresh network of two nodes on the tiny model, with its chain and its oracle.
  public static var petalsNetwork: Self { petalsNetwork(nodes: 2) }

  /// A fresh network of `nodes` nodes on the tiny model, with its chain and its oracle.
  public static func petalsNetwork(nodes: Int) -> Self {
    Self { try NetworkPlan(nodes: nodes) }
  }

  /// A fresh network as planned; the plan is made anew for each test.
  public static func petalsNetwork(
    _ plan: @escaping @Sendable () throws -> NetworkPlan
  ) -> Self {
    Self(plan)
  }
}

extension PetalsNetwork {
  @TaskLocal package static var running: PetalsNetwork?

  /// The network of the running test.
  ///
  /// - Throws: ``NoNetwork`` outside a test with a ``PetalsNetworkTrait``.
  public static var current: PetalsNetwork {
    get throws {
      guard let running else { throw NoNetwork() }
      return running
    }
  }

  /// Someone asked for the running test's network where there is none.
  public struct NoNetwork: Error, CustomStringConvertible {
    /// Says what to do.
    public var description: String {
      "this test has no network: give it, or its suite, the trait .petalsNetwork(nodes:)"
    }
  }
}
