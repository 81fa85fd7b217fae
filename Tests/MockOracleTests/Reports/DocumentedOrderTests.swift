import EthereumClient
import EthereumPrimitives
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Documented checks", .timeLimit(.minutes(5))) struct DocumentedOrderTests {
  @Test("A timestamp at or below the last accepted one is a replay", arguments: [0, 1, 1000])
  func replay(earlier: Int64) async throws {
    let oracle = MockOracle()
    let key = try testKey()
    let last: Int64 = 1_770_200_000
    #expect(await oracle.post(try signedReport(by: key, tokens: 1, timestamp: last)).status == 200)
    let stale = try signedReport(by: key, tokens: 2, timestamp: last - earlier)
    #expect(
      await oracle.post(stale)
        == Answer(
          status: 409,
          body: [
            "status": "error",
            "message": .string(
              "Replay detected: timestamp \(last - earlier) is not above the last accepted one, "
                + "\(last)"),
          ]))
    #expect(oracle.agent(key.address)?.processedTokens == 1)
    #expect(await oracle.post(try signedReport(by: key, timestamp: last + 1)).status == 200)
  }

  @Test("One agent's reports do not make another's a replay")
  func agentsAreApart() async throws {
    let oracle = MockOracle()
    #expect(await oracle.post(try signedReport(by: testKey(1))).status == 200)
    #expect(await oracle.post(try signedReport(by: testKey(2))).status == 200)
    #expect(oracle.agents.count == 2)
  }

  @Test("Of a hundred equal reports at once exactly one is accepted")
  func concurrentReplay() async throws {
    let oracle = MockOracle()
    let body = try signedReport(by: testKey()).serialized()
    let statuses = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<100 { group.addTask { await oracle.post(body).status } }
      return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
    #expect(statuses == [200: 1, 409: 99])
  }

  @Test("An agent that is not registered is refused with 403")
  func unregistered() async throws {
    let registered = try testKey(1).address
    let oracle = MockOracle(
      OracleConfiguration(registration: RegistrationCheck { $0 == registered }))
    #expect(await oracle.post(try signedReport(by: testKey(1))).status == 200)
    let stranger = try testKey(2)
    let answer = await oracle.post(try signedReport(by: stranger))
    #expect(answer.status == 403)
    #expect(
      answer.message
        == "Agent not registered: agent \(stranger.address) is not registered on chain")
    #expect(oracle.journal.entries.last?.refusal == .unregistered(stranger.address))
  }

  @Test("The chain is asked whether an agent is registered", arguments: [true, false])
  func registrationOnChain(isRegistered: Bool) async throws {
    let key = try testKey()
    let asked = Journal<JSON>()
    let client = EthereumClient(
      transport: InMemoryRPCTransport { bytes in
        // The client's own message is JSON; were it not, the test would find no question.
        if let message = try? JSON.parse(bytes) { asked.record(message) }
        return
          ([
            "jsonrpc": "2.0", "id": 1,
            "result": .bool(isRegistered),
          ] as JSON).serialized()
      })
    let oracle = MockOracle(OracleConfiguration(registration: .chain(client)))
    #expect(await oracle.post(try signedReport(by: key)).status == (isRegistered ? 200 : 403))
    let question = try await asked.next()
    #expect(question["method"] == "agent_isAgentAccount")
    #expect(question["params"] == [.string(key.address.lowercaseHex), "latest"])
  }

  @Test("A chain that cannot be asked is an outage of the oracle, not the agent's fault")
  func registrationUnknown() async throws {
    struct Down: Error, CustomStringConvertible { let description = "connection refused" }
    let oracle = MockOracle(
      OracleConfiguration(registration: RegistrationCheck { _ in throw Down() }))
    let answer = await oracle.post(try signedReport(by: testKey()))
    #expect(answer.status == 503)
    #expect(answer.message?.hasSuffix("connection refused") == true)
  }

  @Test(
    "With an age limit a timestamp may lie that far from now and no further",
    arguments: [
      (-61, 409), (-60, 200), (0, 200), (60, 200), (61, 409),
    ] as [(Int64, Int)])
  func maximumAge(offset: Int64, status: Int) async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle(
      OracleConfiguration(maximumAge: .seconds(60), unixClock: time.clock))
    let report = try signedReport(by: testKey(), timestamp: time.seconds + offset)
    #expect(await oracle.post(report).status == status)
  }

  @Test("Without an age limit any timestamp above the last is fresh")
  func noWindow() async throws {
    let oracle = MockOracle(OracleConfiguration(unixClock: TestTime(1_770_200_000).clock))
    for timestamp in [0, 1, 1_770_200_000, .max] as [Int64] {
      let report = try signedReport(by: testKey(), timestamp: timestamp)
      #expect(await oracle.post(report).status == 200)
    }
  }

  @Test("Checks come in the order 413, 400, 422, 401, 403, 409")
  func order() async throws {
    let key = try testKey()
    let oracle = MockOracle(OracleConfiguration(registration: RegistrationCheck { _ in false }))
    // Too large and malformed.
    #expect(await oracle.post([UInt8](repeating: 0x7b, count: (1 << 20) + 1)).status == 413)
    // Malformed at the largest size.
    #expect(await oracle.post([UInt8](repeating: 0x7b, count: 1 << 20)).status == 400)
    // Invalid and wrongly signed.
    let signature = JSON.string("0x" + String(repeating: "1", count: 130))
    #expect(await oracle.post(["payload": [:], "signature": signature]).status == 422)
    // Wrongly signed and unregistered.
    let forged = try signedReport(by: testKey(2)) { $0["agent"] = .string(key.address.checksummed) }
    #expect(await oracle.post(forged).status == 401)
    // Unregistered and, were it registered, a replay of nothing.
    #expect(await oracle.post(try signedReport(by: key)).status == 403)
  }

  @Test("An unregistered agent's replay is refused for the registration")
  func registrationBeforeReplay() async throws {
    let isRegistered = TestTime(1)
    let oracle = MockOracle(
      OracleConfiguration(registration: RegistrationCheck { _ in isRegistered.seconds == 1 }))
    let report = try signedReport(by: testKey())
    #expect(await oracle.post(report).status == 200)
    isRegistered.seconds = 0
    #expect(await oracle.post(report).status == 403)
  }

  @Test("Other routes and methods are 404 and 405")
  func routes() async throws {
    let oracle = MockOracle()
    let deployed = await oracle.post(
      try deployedReport(by: testKey()), to: ReportDialect.deployed.path)
    #expect(
      deployed
        == Answer(
          status: 404,
          body: ["status": "error", "message": "no route POST /api/v1/metrics/report"]))
    #expect(await oracle.get("/api/v1/report").status == 405)
    #expect(await oracle.get("/").status == 404)
    #expect(oracle.journal.entries.last?.outcome == .unknownRoute)
  }
}
