import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import PlumiseTesting
import PlumiseWire
import TestSupport
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

  @Test("Who observes the journal gets each entry, and near misses say why")
  func observed() async throws {
    let entries = Journal<OracleEntry>()
    var configuration = OracleConfiguration()
    configuration.onEntry = { entries.record($0) }
    let oracle = MockOracle(configuration)
    let (agent, other) = (try testKey(1), try testKey(2))
    #expect(await oracle.post(try signedReport(by: agent)).status == 200)
    let forged = try signedReport(by: agent) {
      $0["agent"] = .string(other.address.checksummed)
    }
    #expect(await oracle.post(forged).status == 401)
    _ = await oracle.respond(to: WebRequest(.get, "/health"))
    _ = await oracle.respond(to: WebRequest(.get, "/nowhere"))
    _ = await oracle.respond(to: WebRequest(.post, "/nowhere", body: [1]))
    #expect(entries.entries == oracle.journal.entries)
    let misses = entries.entries.map(\.nearMiss)
    #expect(misses[1]?.contains("signature recovers to") == true)
    #expect(misses[4] == "there is no such route")
    #expect(misses[0] == nil && misses[2] == nil && misses[3] == nil)
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
    let error = await #expect(throws: ReportWaitTimeout.self) { try await waiting.value }
    #expect(
      error?.description.contains(
        "signature recovers to \(agent.address) but agent says \(other.address)") == true)
  }

  @Test("Who waits for reports, or asks for a record, hears what the oracle refused, and why")
  func unregistered() async throws {
    let agent = try testKey(1)
    let oracle = MockOracle(OracleConfiguration(registration: RegistrationCheck { _ in false }))
    #expect(await oracle.post(try signedReport(by: agent)).status == 403)
    let reason = "403: agent \(agent.address) is not registered"
    for awaited in [nil, agent.address] {
      let clock = ManualClock()
      let waiting = Task {
        try await oracle.waitForReports(2, from: awaited, within: .seconds(5), on: clock)
      }
      try await clock.advanceToNextDeadline()
      let error = await #expect(throws: ReportWaitTimeout.self) { try await waiting.value }
      let complaint = error?.description ?? ""
      #expect(complaint.contains(reason) && !complaint.contains("\n"))
    }
    let missing = #expect(throws: MissingAgentRecord.self) {
      try oracle.record(of: agent.address)
    }
    #expect(missing?.description.contains(reason) == true)
  }

  @Test("A wait for more reports than come says how many came")
  func tooFew() async throws {
    let (clock, agent, oracle) = (ManualClock(), try testKey(1), MockOracle())
    #expect(await oracle.post(try signedReport(by: agent)).status == 200)
    #expect(try oracle.record(of: agent.address).reportCount == 1)
    let waiting = Task { try await oracle.waitForReports(2, within: .seconds(5), on: clock) }
    try await clock.advanceToNextDeadline()
    let error = await #expect(throws: ReportWaitTimeout.self) { try await waiting.value }
    #expect(error?.description.hasPrefix("1 instead of 2 reports of any agent") == true)
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

@Suite("Near misses", .timeLimit(.minutes(5))) struct NearMissTests {
  /// What a wait that ends in vain says.
  private func complaint(of oracle: MockOracle, about agent: Address) async throws -> String {
    let clock = ManualClock()
    let waiting = Task {
      try await oracle.journal.next(from: agent, within: .seconds(5), on: clock)
    }
    try await clock.advanceToNextDeadline()
    return await #expect(throws: ReportWaitTimeout.self) { try await waiting.value }?.description
      ?? ""
  }

  @Test(
    "A report in the other dialect is named as one, with the route that is not there",
    arguments: ReportDialect.allCases)
  func otherDialect(dialect: ReportDialect) async throws {
    let spoken: ReportDialect = dialect == .documented ? .deployed : .documented
    let oracle = MockOracle(OracleConfiguration(dialects: [spoken]))
    let key = try testKey()
    let body = try dialect == .documented ? signedReport(by: key) : deployedReport(by: key)
    #expect(await oracle.post(body, to: dialect.path).status == 404)
    let complaint = try await complaint(of: oracle, about: key.address)
    #expect(
      complaint.contains(
        "POST \(dialect.path) was answered 404: there the \(dialect.rawValue) dialect takes "
          + "reports, which this oracle does not speak"), "\(complaint)")
    // It names its agent, and so is nobody else's.
    let other = try await self.complaint(of: oracle, about: try testKey(2).address)
    #expect(other.contains("nothing came that is like it"), "\(other)")
  }

  @Test("A body that cannot be read may be anybody's, and says what is wrong with it")
  func unreadable() async throws {
    let oracle = MockOracle()
    #expect(await oracle.post(Array("{\"payload\":".utf8)).status == 400)
    #expect(await oracle.post(["payload": ["agent": "0x12"], "signature": "0x"]).status == 422)
    let complaint = try await complaint(of: oracle, about: try testKey().address)
    #expect(complaint.contains("was answered 400: the body is not JSON: invalid JSON at byte 11"))
    #expect(complaint.contains("was answered 422: payload.agent: must be an Ethereum address"))
  }

  @Test("A refused body that names its agent is told to who waits for that agent alone")
  func named() async throws {
    let oracle = MockOracle()
    let (first, second) = (try testKey(1).address, try testKey(2).address)
    let body: JSON = ["payload": ["agent": .string(first.checksummed)], "signature": "0x"]
    #expect(await oracle.post(body).status == 422)
    #expect(oracle.journal.nearMisses(of: first).count == 1)
    #expect(oracle.journal.nearMisses(of: second).isEmpty)
    // Reads and what was taken are no near misses.
    _ = await oracle.get("/api/v1/nothing")
    #expect(await oracle.post(try signedReport(by: testKey(2))).status == 200)
    #expect(oracle.journal.nearMisses(of: second).isEmpty)
  }

  @Test("Of many near misses the latest are told, and how many came before")
  func many() async throws {
    let oracle = MockOracle()
    for _ in 0..<50 { _ = await oracle.post(Array("no JSON".utf8)) }
    let complaint = try await complaint(of: oracle, about: try testKey().address)
    #expect(complaint.contains("40 that were not taken, and then POST"), "\(complaint)")
    #expect(complaint.split(separator: "; ").count == 11)
  }

  @Test("Of a body with many faults a near miss tells some, and their number")
  func manyFaults() async throws {
    let oracle = MockOracle()
    let key = try testKey()
    let report = try signedReport(by: key) { $0["proofs"] = .array(.init(repeating: 1, count: 50)) }
    #expect(await oracle.post(report).status == 422)
    let misses = oracle.journal.nearMisses(of: key.address)
    #expect(misses.first?.hasSuffix("payload.proofs.4: must be an object; and 45 more") == true)
  }
}
