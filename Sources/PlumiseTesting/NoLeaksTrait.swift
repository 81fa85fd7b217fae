public import Testing

/// Fails a test that leaves file descriptors, threads, child processes or temporary files behind.
///
/// ```swift
/// import PlumiseTesting
/// import Testing
///
/// @Test("A network that generates leaves nothing behind", .noLeaks, .network(nodes: 2))
/// func nothingLeft() async throws {
///   let network = try PetalsNetwork.current
///   _ = try await network.generate("Hello", maxNewTokens: 4)
/// }
/// ```
///
/// Put it before the other traits: what they start is looked at as well.
///
/// Swift Testing runs tests at the same time in one process, where nobody can say whose a socket is. The trait
/// therefore runs the test in a process of its own, as exit tests do, and there twice. The first run makes what
/// the process makes once and keeps: event loops, thread pools, the shared HTTP client, a mapped model. What
/// the second run adds is a leak. Descriptors that close, and threads of pools that end when they are
/// idle, are waited for. Nothing else runs in the process, so that there is no false alarm from another
/// test; a failure of the test itself is reported as well, with what the process printed.
///
/// What it does not see are tasks and memory. It needs Linux (`/proc`); on other systems the test runs as without
/// the trait.
public struct NoLeaksTrait: TestTrait, SuiteTrait, TestScoping {
  /// True: a suite's trait applies to each of its tests.
  public var isRecursive: Bool { true }

  /// Runs one case of a test: all cases of it in the same process of their own, once.
  public func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    #if os(Linux)
      if LeakProcess.isCurrent {
        LeakProcess.endWithParent()
        try await LeakCheck.run(function)
      } else if let failure = try await LeakProcess.failure(of: test) {
        Issue.record("\(failure)", sourceLocation: test.sourceLocation)
      }
    #else
      try await function()
    #endif
  }
}

extension Trait where Self == NoLeaksTrait {
  /// Fails a test that leaves file descriptors, threads, child processes or temporary files behind.
  public static var noLeaks: Self { Self() }
}

#if os(Linux)
  /// What a body leaves behind in a process in which nothing else runs.
  enum LeakCheck {
    /// Runs a body twice, and records what the second run added.
    static func run(
      _ body: @concurrent @Sendable () async throws -> Void
    ) async throws {
      try await body()
      let before = ProcessResources.current
      try await body()
      for leak in try await ProcessResources.leaks(
        since: before, within: LeakProcess.patience)
      {
        Issue.record("the test left \(leak)")
      }
    }
  }
#endif
