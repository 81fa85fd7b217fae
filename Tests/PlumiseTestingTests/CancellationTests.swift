import AsyncPrimitives
import MockServing
import MockWeb3
import PlumiseTesting
import Testing

/// A test that is cancelled, as by its time limit, ends: whatever it waits for, and though its body
/// does not look whether it was cancelled.
@Suite("A cancelled network", .timeLimit(.minutes(5)))
struct CancellationTests {
  /// What a body waits for.
  enum Wait: String, CaseIterable, Sendable {
    /// A report whose answer never comes.
    case report
    /// The last report of a reporter, whose answer never comes.
    case stop
    /// A receipt that the chain does not give.
    case receipt
    /// A moment to which nobody moves the clock, in a task that nobody cancels.
    case moment
  }

  /// Thrown when the cancelled network did not end.
  struct StillRunning: Error {
    let wait: Wait
    let deadlines: [ManualClock.Instant]
  }

  @Test("A body that waits for ever ends with its cancellation", arguments: Wait.allCases)
  func body(_ wait: Wait) async throws {
    try await endsWhenCancelled(wait) { body in
      try await withPetalsNetwork(NetworkPlan(nodes: 1)) { try await body($0) }
    }
  }

  @Test("So does a test with the trait", arguments: Wait.allCases)
  func trait(_ wait: Wait) async throws {
    let test = try #require(Test.current)
    try await endsWhenCancelled(wait) { body in
      let trait: PetalsNetworkTrait = .petalsNetwork(nodes: 1)
      try await trait.provideScope(for: test, testCase: nil) {
        try await body(try PetalsNetwork.current)
      }
    }
  }

  private func endsWhenCancelled(
    _ wait: Wait,
    _ scope:
      @escaping @Sendable (
        _ body: @escaping @Sendable (PetalsNetwork) async throws -> Void
      ) async throws -> Void
  ) async throws {
    let started = Journal<PetalsNetwork>()
    let ended = Journal<Bool>()
    let running = Task {
      defer { ended.record(true) }
      try await scope { try await self.wait(for: wait, $0, started) }
    }
    let network = try await started.next()
    if wait == .report || wait == .stop { _ = try await network.oracleFaults.met.next() }
    if wait == .receipt || wait == .moment { try await network.clock.waitForSleepers() }
    running.cancel()
    // Real time: a network that does not end would hold the suite up for ever.
    _ = try await withDeadline(
      .seconds(60), on: ContinuousClock(),
      orThrow: StillRunning(wait: wait, deadlines: network.clock.deadlines)
    ) { try await ended.next() }
    #expect(network.clock.deadlines.isEmpty && !network.oracle.isServing)
  }

  private func wait(
    for wait: Wait, _ network: PetalsNetwork, _ started: Journal<PetalsNetwork>
  ) async throws {
    let node = network.nodes[0]
    switch wait {
    case .report:
      network.oracleFaults.add(.neverAnswer, count: nil)
      started.record(network)
      await node.reporter.reportNow()
    case .stop:
      try await node.reporter.start()
      network.oracleFaults.add(.neverAnswer, count: nil)
      started.record(network)
      await node.reporter.stop()
    case .receipt:
      network.chain.inject(ChainFaultRule(.loseReceipt))
      started.record(network)
      // A task of its own, which the cancellation does not reach.
      _ = try await Task { try await node.register() }.value
    case .moment:
      started.record(network)
      try await Task { try await network.clock.sleep(for: .seconds(1_000_000)) }.value
    }
  }
}

/// A clock that ended.
@Suite("The end of a manual clock", .timeLimit(.minutes(5)))
struct ManualClockEndTests {
  @Test("Who sleeps or waits is cancelled, and who comes later as well")
  func end() async throws {
    let clock = ManualClock()
    let sleeping = Task { try await clock.sleep(for: .seconds(1)) }
    let waiting = Task { try await clock.waitForSleepers(2) }
    try await clock.waitForSleepers()
    clock.end()
    await #expect(throws: CancellationError.self) { try await sleeping.value }
    await #expect(throws: ManualClock.UnmetWait.self) { try await waiting.value }
    await #expect(throws: CancellationError.self) { try await clock.sleep(for: .seconds(1)) }
    await #expect(throws: ManualClock.UnmetWait.self) { try await clock.advanceToNextDeadline() }
    #expect(clock.deadlines.isEmpty)
  }
}
