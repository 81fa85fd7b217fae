import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Extreme numbers", .timeLimit(.minutes(5))) struct ExtremeNumberTests {
  private let path = ReportDialect.deployed.path
  private let start: Int64 = 1_770_200_000
  private let huge: Int64 = 9_000_000_000_000_000_000

  private func oracle(profile: OracleProfile = .fixed) -> MockOracle {
    MockOracle(
      OracleConfiguration(
        dialects: [.documented, .deployed], profile: profile, apiKey: "secret",
        epoch: EpochSource { 7 }, unixClock: TestTime(start).clock))
  }

  /// Reads everything that is kept about an agent; each read must be answered.
  private func readEverything(_ oracle: MockOracle, of agent: Address) async {
    let deployed = ["", "/history"].map { "/api/v1/metrics/agents/\(agent)\($0)" }
    let proofs = ["", "/stats"].map { "/api/v1/proofs/\(agent)\($0)" }
    let documented = ["", "/\(agent)", "/\(agent)/reports", "/\(agent)/proofs"].map {
      "/api/v1/agents\($0)"
    }
    for path in deployed + proofs + documented + ["/api/v1/metrics/summary"] {
      let answer = await oracle.get(path)
      #expect(answer.status == 200 && answer.body != nil, "\(path) was \(answer)")
    }
  }

  @Test(
    "The greatest latency leaves the average a number",
    arguments: OracleProfile.allCases, [1e308, Double.greatestFiniteMagnitude])
  func latency(profile: OracleProfile, latency: Double) async throws {
    let oracle = oracle(profile: profile)
    for (number, requests) in [10, 20, 5].enumerated() {
      for agent in [1, 2] as [UInt8] {
        let report = try deployedReport(by: testKey(agent), timestamp: start + Int64(number)) {
          $0["avgLatencyMs"] = .number(JSONNumber(javaScript: latency))
          $0["requestCount"] = .integer(requests)
        }
        #expect(await oracle.post(report, to: path).status == 201)
        await readEverything(oracle, of: try testKey(agent).address)
      }
    }
    let average = oracle.epoch(7, of: try testKey().address)?.averageLatencyMilliseconds
    #expect(average == (profile == .fixed ? latency : .greatestFiniteMagnitude))
    if profile == .fixed {
      let summary = await oracle.get("/api/v1/metrics/summary").body
      #expect(summary?["avgLatency"]?.stringValue.flatMap(Double.init) == latency)
    }
  }

  @Test(
    "Counts that the database's 32 bits do not hold are refused, and the greatest is taken",
    arguments: ["requestCount", "uptimeSeconds"])
  func counts(field: String) async throws {
    let oracle = oracle()
    let key = try testKey()
    let most = Int64(Int32.max)
    for (number, (count, status)) in [(huge, 400), (most + 1, 400), (most, 201)].enumerated() {
      let report = try deployedReport(by: key, timestamp: start + Int64(number)) {
        $0[field] = .integer(count)
      }
      let answer = await oracle.post(report, to: path)
      #expect(answer.status == status)
      if status == 400 { #expect(answer.message == "Internal server error") }
    }
    await readEverything(oracle, of: key.address)
    let epoch = oracle.epoch(7, of: key.address)
    #expect(epoch?.requestCount == (field == "requestCount" ? most : 3))
    #expect(epoch?.uptimeSeconds == (field == "uptimeSeconds" ? most : 60))
  }

  @Test("Proofs of more tokens than 64 bits hold are summed all the same")
  func proofTokens() async throws {
    let oracle = oracle()
    let key = try testKey()
    for (number, digit) in ["a", "b"].enumerated() {
      let hash = JSON.string(String(repeating: digit, count: 66))
      let report = try deployedReport(by: key, timestamp: start + Int64(number)) {
        $0["proofs"] = [
          [
            "modelHash": hash, "inputHash": hash, "outputHash": hash,
            "tokenCount": .integer(huge),
          ]
        ]
      }
      #expect(await oracle.post(report, to: path).status == 201)
      await readEverything(oracle, of: key.address)
    }
    let stats = await oracle.get("/api/v1/proofs/\(key.address)/stats").body
    #expect(stats?["pendingProofs"] == 2 && stats?["totalProofs"] == 2)
    #expect(oracle.agent(key.address)?.proofCount == 2)
  }

  @Test("Where both dialects report, the sum of their tokens stops at the greatest number")
  func bothDialects() async throws {
    let oracle = oracle()
    let key = try testKey()
    let documented = try signedReport(by: key, tokens: .max, timestamp: start) {
      $0["tasks_completed"] = .integer(Int64.max)
      $0["uptime_seconds"] = .integer(Int64.max)
    }
    #expect(await oracle.post(documented).status == 200)
    let deployed = try deployedReport(by: key, timestamp: start + 1)
    #expect(await oracle.post(deployed, to: path).status == 201)
    #expect(oracle.agent(key.address)?.processedTokens == .max)
    #expect(oracle.agent(key.address)?.tasksCompleted == .max)
    await readEverything(oracle, of: key.address)
  }

  @Test("A timestamp at the end of time is a replay of itself")
  func timestamps() async throws {
    let oracle = oracle()
    let key = try testKey()
    let name = try #require(HTTPField.Name("x-api-key"))
    func post(_ timestamp: String) async throws -> Int {
      let report = try deployedReport(by: key) {
        $0["timestamp"] = JSONNumber(timestamp).map(JSON.number)
      }
      return await oracle.post(
        report.serialized(), to: "/api/metrics", headers: [name: "secret"]
      ).status
    }
    let last = try signedReport(by: key, timestamp: .max)
    #expect(await oracle.post(last).status == 200)
    // 2^63, the nearest double to the last one; and far beyond it, which no integer holds.
    for timestamp in ["9223372036854775808", "9223372036854775807", "0.5", "1e308"] {
      #expect(try await post(timestamp) == 400)
    }
    #expect(
      oracle.journal.entries.compactMap(\.refusal) == [
        .replay(timestamp: .max, last: .max), .replay(timestamp: .max, last: .max),
        .replay(timestamp: 0, last: .max), .notWhole(field: "timestamp"),
      ])
    await readEverything(oracle, of: key.address)
  }
}
