import EthereumPrimitives
import MockOracle
import MockServing
import PlumiseTesting
import PlumiseWire
import Testing

@Suite("Oracle journal", .timeLimit(.minutes(5))) struct OracleJournalTests {
  @Test("A wait for an agent finds its report among others")
  func next() async throws {
    let oracle = MockOracle()
    let (first, second) = (try testKey(1), try testKey(2))
    async let found = oracle.journal.next(from: second.address)
    for key in [first, second] {
      #expect(await oracle.post(try signedReport(by: key)).status == 200)
    }
    #expect(try await found.agent == second.address)
    #expect(try await oracle.journal.waitFor(count: 2).count == 2)
    #expect(try await oracle.journal.waitFor(count: 1, from: first.address).count == 1)
  }

  @Test("A wait that ends in vain says what came instead")
  func nearMisses() async throws {
    let clock = ManualClock()
    let oracle = MockOracle()
    let (agent, other) = (try testKey(1), try testKey(2))
    let forged = try signedReport(by: agent) {
      $0["agent"] = .string(other.address.checksummed)
    }
    #expect(await oracle.post(forged).status == 401)
    let waiting = Task {
      try await oracle.journal.next(from: agent.address, within: .seconds(5), on: clock)
    }
    try await clock.advanceToNextDeadline()
    let error = await #expect(throws: NothingCame.self) { try await waiting.value }
    #expect(
      error?.description.contains(
        "signature recovers to \(agent.address) but agent says \(other.address)") == true)
  }

  @Test("The journal is bounded by bytes as well as by entries")
  func bounded() async throws {
    let journal = Journal<String>(capacity: 100, byteLimit: 50) { $0.utf8.count }
    for length in [10, 20, 30, 15] { journal.record(String(repeating: "x", count: length)) }
    #expect(journal.entries.map(\.count) == [30, 15] && journal.byteCount == 45)
    journal.record(String(repeating: "y", count: 500))
    #expect(journal.entries.map(\.count) == [500] && journal.count == 5)
    async let later = journal.next(after: 5)
    journal.record("z")
    #expect(try await later == "z")
    let oracle = MockOracle(OracleConfiguration(journalByteLimit: 20_000))
    for timestamp in 1...100 as ClosedRange<Int64> {
      _ = await oracle.post(try signedReport(by: testKey(), timestamp: timestamp))
    }
    #expect(oracle.journal.byteCount <= 20_000 && oracle.journal.entries.count < 50)
    #expect(oracle.journal.count == 100)
  }
}
