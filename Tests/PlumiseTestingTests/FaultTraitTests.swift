import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Traits that inject faults", .timeLimit(.minutes(5)))
struct FaultTraitTests {
  /// Refuses a question of the chain half of the time.
  private static let likely = ChainFaultRule(
    .refuse(.refused("busy")), method: "eth_chainId", count: nil, probability: 0.5)

  /// Which of so many questions a chain answers.
  private func answers(of network: PetalsNetwork, count: Int = 16) async throws -> [Bool] {
    var answers: [Bool] = []
    for _ in 0..<count {
      let answer = try await fetchRPC(network.chainAddress.url, "eth_chainId").json
      answers.append(answer["result"] != nil)
    }
    return answers
  }

  @Test("The chain's faults last as long as the test's body, and the trait's seed decides them")
  func chain() async throws {
    let test = try #require(Test.current)
    var runs: [[Bool]] = []
    for seed in [7, 7, 8] as [UInt64] {
      try await withPetalsNetwork(NetworkPlan(nodes: 1)) { network in
        let met = Journal<[Bool]>()
        let trait: ChainFaultsTrait = .chainFaults(Self.likely, seed: seed)
        try await PetalsNetwork.$running.withValue(network) {
          try await trait.provideScope(for: test, testCase: nil) {
            met.record(try await answers(of: network))
          }
        }
        runs += met.entries
        #expect(try await answers(of: network).allSatisfy { $0 }, "the faults stayed")
      }
    }
    #expect(runs[0] == runs[1] && runs[0] != runs[2])
    #expect(runs[0].contains(true) && runs[0].contains(false))
  }
}
