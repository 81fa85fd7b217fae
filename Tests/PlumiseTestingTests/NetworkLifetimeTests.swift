import ChainAgent
import EthereumClient
import HTTPTypes
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
      _ = try await network.generate("Hello", maxNewTokens: 3)
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

  @MainActor
  @Test("A body on the main actor uses the network there")
  func mainActor() async throws {
    var generated = 0
    var plan = try NetworkPlan(nodes: 1)
    plan.hasFaultyLinks = true
    try await withPetalsNetwork(plan) { network in
      MainActor.assertIsolated()
      generated = try await network.generate("Hello", maxNewTokens: 2).generatedIDs.count
      try await network.withClient { _ in MainActor.assertIsolated() }
    }
    #expect(generated == 2)
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
    let error = #expect(throws: PetalsNetwork.MissingNetwork.self) { try PetalsNetwork.current }
    #expect(error?.description.contains(".petalsNetwork") == true)
  }
}

/// The network that a body had, for after its end.
private struct Holder: Sendable {
  let journal = Journal<PetalsNetwork>()

  func set(_ network: PetalsNetwork) { journal.record(network) }
}

/// A node's agent, by the fixture: the service that `petals-e2e node` runs.
@Suite("An agent's life in a network", .timeLimit(.minutes(5)))
struct AgentLifeTests {
  private func isRegistration(_ event: AgentEvent) -> Bool {
    if case .registered(.registered) = event { true } else { false }
  }

  @Test("A node whose chain was reset under it registers again", .petalsNetwork(nodes: 1))
  func reset() async throws {
    let network = try PetalsNetwork.current
    let member = network.nodes[0]
    let events = Journal<AgentEvent>()
    let service = member.service { events.record($0) }
    let running = Task { try await service.run() }
    try await network.clock.waitForSleeper(until: .seconds(120))
    #expect(network.chain.isRegistered(member.address))
    let chain = EthereumClient(url: network.chainAddress.url)
    _ = try await chain.request("hardhat_reset")
    #expect(!network.chain.isRegistered(member.address))
    // A reset takes the coins that the network gave as well.
    network.chain.fund(member.address)
    network.clock.advance(by: .seconds(120))
    _ = try await events.wait(forCount: 2) { isRegistration($0) }
    try await network.clock.waitForSleeper(until: .seconds(240))
    #expect(network.chain.isRegistered(member.address))
    #expect(network.chain.agent(member.address)?.lastHeartbeat != 0)
    running.cancel()
    try await running.value
  }

  @Test(
    "What the node generates is proved, also on a chain that has forgotten its agent",
    .petalsNetwork(nodes: 1))
  func proofs() async throws {
    let network = try PetalsNetwork.current
    let member = network.nodes[0]
    let events = Journal<AgentEvent>()
    let service = member.service { events.record($0) }
    let running = Task { try await service.run() }
    try await network.clock.waitForSleeper(until: .seconds(120))
    let chain = EthereumClient(url: network.chainAddress.url)
    _ = try await chain.request("hardhat_reset")
    network.chain.fund(member.address)
    _ = try await network.generate([1, 2, 3], maxNewTokens: 4)
    _ = try await events.next { if case .verified = $0 { true } else { false } }
    #expect(network.chain.agent(member.address)?.totalTokensProcessed == 4)
    running.cancel()
    try await running.value
  }
}

@Suite("Oracle faults by a trait", .timeLimit(.minutes(5))) struct OracleFaultsTests {
  @Test(
    "The trait's faults meet the reports of the test's network, in the order of the rules",
    .petalsNetwork(nodes: 1),
    .oracleFaults(FaultRule(.status(503), count: 2), FaultRule(.drop(.beforeAnswer, .reset))))
  func faults() async throws {
    let network = try PetalsNetwork.current
    let node = try #require(network.nodes.first)
    try await node.register()
    var outcomes: [Bool] = []
    for _ in 0..<4 { outcomes.append(await node.reporter.reportNow().isAccepted) }
    #expect(outcomes == [false, false, false, true])
    // The one whose answer was lost was taken all the same.
    #expect(network.oracle.agent(node.address)?.reportCount == 2)
    #expect(network.oracleFaults.met.count == 3 && network.oracleFaults.isExhausted)
  }

  @Test(
    "A seed decides which reports meet a likely fault, in every run the same",
    .petalsNetwork(nodes: 1),
    .oracleFaults(FaultRule(.status(500), count: nil, probability: 0.5), seed: 7),
    arguments: [1, 2])
  func seeded(run: Int) async throws {
    let node = try #require(try PetalsNetwork.current.nodes.first)
    try await node.register()
    var outcomes = ""
    for _ in 0..<16 { outcomes += await node.reporter.reportNow().isAccepted ? "." : "x" }
    let same = FaultScript(seed: 7)
    same.add(.status(500), count: nil, probability: 0.5)
    let expected = (0..<16).map { _ in
      same.take(for: WebRequest(.post, "/")) == nil ? "." : "x"
    }.joined()
    #expect(outcomes == expected && outcomes.contains(".") && outcomes.contains("x"))
  }

  @Test("Behind the test's body no fault is left")
  func cleared() async throws {
    try await withPetalsNetwork(NetworkPlan(nodes: 1)) { network in
      let faults = network.oracleFaults
      let trait: OracleFaultsTrait = .oracleFaults(FaultRule(.status(500), count: nil))
      let test = try #require(Test.current)
      try await PetalsNetwork.$running.withValue(network) {
        try await trait.provideScope(for: test, testCase: nil) {
          #expect(!faults.isExhausted)
        }
      }
      #expect(faults.isExhausted)
    }
  }

  @Test(
    "The trait's faults meet the network also where it stands before it",
    .oracleFaults(FaultRule(.status(503))), .chainFaults(ChainFaultRule(.revert(reason: "no"))),
    .petalsNetwork(nodes: 1))
  func before() async throws {
    let network = try PetalsNetwork.current
    await #expect(throws: ChainError.self) { try await network.nodes[0].register() }
    try await network.nodes[0].register()
    #expect(await network.nodes[0].reporter.reportNow().isAccepted == false)
    #expect(await network.nodes[0].reporter.reportNow().isAccepted)
    #expect(network.oracleFaults.met.count == 1)
  }

  @Test("In a detached task there is no network, and the error says what to do instead")
  func detached() async throws {
    let result = await Task.detached { try PetalsNetwork.current.plan.reportInterval }.result
    let error = #expect(throws: PetalsNetwork.MissingNetwork.self) { try result.get() }
    #expect(error?.description.contains("detached task") == true)
  }

  @Test("Without a network the trait says what to do")
  func noNetwork() async throws {
    let trait: OracleFaultsTrait = .oracleFaults(FaultRule(.status(500)))
    let test = try #require(Test.current)
    await #expect(throws: PetalsNetwork.MissingNetwork.self) {
      try await trait.provideScope(for: test, testCase: nil) {}
    }
  }
}
