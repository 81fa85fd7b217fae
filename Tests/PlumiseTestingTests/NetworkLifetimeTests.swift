import EthereumClient
import MockServing
import PetalsNode
import PlumiseTesting
import Testing

/// What a network promises: fresh for each test, and nothing of it left, however the test ends.
@Suite("A network's life", .timeLimit(.minutes(5)))
struct NetworkLifetimeTests {
  struct Unlucky: Error {}

  /// How a body ends.
  enum Ending: String, CaseIterable, Sendable {
    case returning
    case throwing
    case cancelled
    /// While a report waits for an answer that never comes.
    case unanswered
  }

  @Test("Nothing of it is left, however its body ends", arguments: Ending.allCases)
  func ends(_ ending: Ending) async throws {
    let left = Holder()
    let running = Task {
      try await withPetalsNetwork(NetworkPlan(nodes: 2)) { network in
        left.set(network)
        for member in network.nodes {
          try await member.register()
          try await member.reporter.start()
        }
        try await end(ending, network)
      }
    }
    if ending == .cancelled {
      _ = try await left.journal.next()
      running.cancel()
    }
    let result = await running.result
    switch ending {
    case .returning, .unanswered: try result.get()
    case .throwing: #expect(throws: Unlucky.self) { try result.get() }
    case .cancelled: #expect(throws: CancellationError.self) { try result.get() }
    }

    let network = try #require(left.journal.entries.first)
    #expect(network.nodes.allSatisfy { $0.node.phase == .stopped })
    for member in network.nodes { #expect(await member.reporter.isRunning == false) }
    #expect(network.clock.deadlines.isEmpty, "somebody sleeps on the network's clock")
    #expect(network.oracle.isServing == false)
    // Whoever has the chain's port by now, if anybody, does not know this network's accounts.
    let chain = EthereumClient(url: network.chainAddress.url)
    for member in network.nodes {
      let balance = try? await chain.balance(of: member.address)
      #expect(balance == nil || balance == 0)
    }
  }

  private func end(_ ending: Ending, _ network: PetalsNetwork) async throws {
    switch ending {
    case .returning:
      _ = try await network.generate("Hello", newTokens: 3)
    case .throwing:
      throw Unlucky()
    case .cancelled:
      // Nobody moves the clock: only the cancellation ends this.
      try await network.clock.sleep(for: .seconds(1_000_000))
    case .unanswered:
      network.oracleFaults.add(.neverAnswer)
      try await network.clock.waitForSleepers(2)
      network.clock.advance(by: network.plan.reportInterval)
      _ = try await network.oracleFaults.met.next()
    }
  }

  @Test(
    "Each case of a test has a network of its own", .petalsNetwork(nodes: 1), arguments: [1, 2])
  func fresh(_ number: Int) async throws {
    let network = try PetalsNetwork.current
    // Whatever another case did, here nothing has happened yet.
    #expect(network.chain.latestBlock.header.number == 0)
    #expect(network.oracle.journal.count == 0)
    let node = try #require(network.nodes.first)
    #expect(node.metrics.snapshot.totalRequests == 0)
    try await node.register()
    #expect(network.chain.latestBlock.header.number == 1)
  }

  @Test("Outside a test with the trait there is no network, and the error says what to do")
  func noNetwork() {
    let error = #expect(throws: PetalsNetwork.NoNetwork.self) { try PetalsNetwork.current }
    #expect(error?.description.contains(".petalsNetwork") == true)
  }
}

/// The network that a body had, for after its end.
private struct Holder: Sendable {
  let journal = Journal<PetalsNetwork>()

  func set(_ network: PetalsNetwork) { journal.record(network) }
}
