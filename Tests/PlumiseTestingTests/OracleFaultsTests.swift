import MockServing
import PlumiseTesting
import Testing

@Suite("Oracle faults by a trait", .timeLimit(.minutes(5))) struct OracleFaultsTests {
  @Test(
    "The trait's faults meet the reports of the test's network, in the order of the rules",
    .petalsNetwork(nodes: 1),
    .oracleFaults(FaultRule(.status(503), times: 2), FaultRule(.drop(.beforeAnswer, .reset))))
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
    .oracleFaults(FaultRule(.status(500), times: nil, likelihood: 0.5), seed: 7),
    arguments: [1, 2])
  func seeded(run: Int) async throws {
    let node = try #require(try PetalsNetwork.current.nodes.first)
    try await node.register()
    var outcomes = ""
    for _ in 0..<16 { outcomes += await node.reporter.reportNow().isAccepted ? "." : "x" }
    let same = FaultScript(seed: 7)
    same.add(.status(500), times: nil, likelihood: 0.5)
    let expected = (0..<16).map { _ in
      same.take(for: WebRequest(.post, "/")) == nil ? "." : "x"
    }.joined()
    #expect(outcomes == expected && outcomes.contains(".") && outcomes.contains("x"))
  }

  @Test("Behind the test's body no fault is left")
  func cleared() async throws {
    try await withPetalsNetwork(NetworkPlan(nodes: 1)) { network in
      let faults = network.oracleFaults
      let trait: OracleFaultsTrait = .oracleFaults(FaultRule(.status(500), times: nil))
      let test = try #require(Test.current)
      try await PetalsNetwork.$running.withValue(network) {
        try await trait.provideScope(for: test, testCase: nil) {
          #expect(!faults.isExhausted)
        }
      }
      #expect(faults.isExhausted)
    }
  }

  @Test("Without a network before it the trait says what to do")
  func noNetwork() async throws {
    let trait: OracleFaultsTrait = .oracleFaults(FaultRule(.status(500)))
    let test = try #require(Test.current)
    await #expect(throws: PetalsNetwork.NoNetwork.self) {
      try await trait.provideScope(for: test, testCase: nil) {}
    }
  }
}
