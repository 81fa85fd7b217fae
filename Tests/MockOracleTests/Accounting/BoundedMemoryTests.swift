import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Bounded memory", .timeLimit(.minutes(5))) struct BoundedMemoryTests {
  private let limit = 1000

  private func keyed() throws -> HTTPFields {
    [try #require(HTTPField.Name("x-api-key")): "key"]
  }

  @Test("Of a body with half a million faults a thousand are told, and the journal weighs them")
  func documentedFaults() async throws {
    let oracle = MockOracle(OracleConfiguration(journalByteLimit: 4 << 20))
    let numbers = String(repeating: "1,", count: 500_000) + "1"
    let body = Array("{\"payload\":{\"proofs\":[\(numbers)]},\"signature\":\"0x\"}".utf8)
    #expect(body.count <= 1 << 20)
    for _ in 0..<4 {
      let answer = await oracle.post(body)
      #expect(answer.status == 422 && answer.body?["detail"]?.arrayValue?.count == limit)
    }
    // A body of 1 MB, and a thousand faults of more than a hundred bytes.
    let entry = try #require(oracle.journal.entries.last)
    #expect(entry.byteCount > body.count + limit * 100)
    #expect(oracle.journal.byteCount <= 4 << 20 && oracle.journal.keptCount == 3)
  }

  @Test("The deployed dialect tells a thousand faults too, of elements and of unknown properties")
  func deployedFaults() async throws {
    let oracle = MockOracle.deployed()
    let elements = try deployedReport(by: testKey()) {
      $0["proofs"] = .array(.init(repeating: 1, count: 40_000))
    }
    let names = (0..<5000).map { ("x\($0)", JSON.integer($0)) }
    for body in [elements, .object(JSONObject(uniqueMembers: names))] {
      let answer = await oracle.post(body, to: ReportDialect.deployed.path)
      #expect(answer.status == 400 && answer.messages?.count == limit)
    }
  }

  @Test("As many proofs as fit into a report, each with its two faults, are told in full")
  func honestFaults() async throws {
    let key = try testKey()
    let proof = InferenceProof(
      model: "m", input: "i", output: "o", agent: key.address, tokenCount: 1)
    let body = try deployedReport(by: key) {
      $0["proofs"] = .array(.init(repeating: proof.json, count: 220))
    }
    let answer = await MockOracle.deployed().post(body, to: ReportDialect.deployed.path)
    #expect(answer.status == 400 && answer.messages?.count == 440)
  }

  @Test("Old reports and their proofs leave, totals stay", arguments: ReportDialect.allCases)
  func reports(dialect: ReportDialect) async throws {
    let oracle = MockOracle(
      OracleConfiguration(
        dialects: [dialect], apiKey: "key", unixClock: TestTime(1_770_200_000).clock,
        journalCapacity: 1))
    let key = try testKey()
    let (reports, proofsEach) = (600, 50)
    for number in 0..<reports {
      let proofs = (0..<proofsEach).map { index in
        InferenceProof(
          model: "m", input: "\(number).\(index)", output: "o", agent: key.address, tokenCount: 2)
      }
      let status =
        switch dialect {
        case .documented:
          await oracle.post(
            try signedReport(by: key, tokens: Int64(number), timestamp: Int64(number) + 1) {
              $0["proofs"] = .array(proofs.map(\.json))
            }
          ).status
        case .deployed:
          await oracle.post(
            try deployedReport(by: key, tokens: Int64(number), timestamp: Int64(number) + 1) {
              $0["proofs"] = .array(proofs.map(\.deployedJSON))
            }.serialized(), to: DeployedReport.keyedPath, headers: try keyed()
          ).status
        }
      #expect(status == (dialect == .documented ? 200 : 201))
    }
    let agent = try #require(oracle.agent(key.address))
    #expect(agent.reportCount == reports && agent.proofCount == reports * proofsEach)
    #expect(agent.processedTokens == Int64(reports - 1))
    // 8 MiB hold about 344 reports of 50 proofs.
    let kept = oracle.reports(of: key.address).count
    #expect(kept > 200 && kept < 400, "\(kept) reports kept")
    #expect(oracle.proofs(of: key.address).count == kept * proofsEach)
    if dialect == .deployed {
      let statistics = await oracle.get("/api/v1/proofs/\(key.address)/stats?epoch=0").body
      #expect(statistics?["totalProofs"] == .integer(reports * proofsEach))
      // The first two reports count fewer tokens than each of their proofs.
      let verified = (reports - 2) * proofsEach
      #expect(statistics?["verifiedProofs"] == .integer(verified))
      #expect(statistics?["verifiedTokens"] == .string(String(2 * verified)))
      let metrics = await oracle.get("/api/v1/metrics/agents/\(key.address)").body
      #expect(metrics?["tokensProcessed"] == .string(String(reports - 1)))
    }
  }

  @Test("Of one agent so many reports are kept, whatever others send")
  func reportsOfAnAgent() async throws {
    var configuration = OracleConfiguration(
      unixClock: TestTime(1_770_200_000).clock, journalCapacity: 1)
    configuration.reportsPerAgent = 5
    let oracle = MockOracle(configuration)
    let (quiet, busy) = (try testKey(1), try testKey(2))
    func report(by key: SecretKey, _ number: Int64) async throws {
      let proof = InferenceProof(
        model: "m", input: "\(number)", output: "o", agent: key.address, tokenCount: 2)
      let body = try signedReport(by: key, tokens: 2 * number, timestamp: number) {
        $0["proofs"] = [proof.json]
      }
      #expect(await oracle.post(body).status == 200)
    }
    try await report(by: quiet, 1)
    for number in 1...1000 { try await report(by: busy, Int64(number)) }
    try await report(by: quiet, 2)
    #expect(oracle.reports(of: busy.address).map(\.timestamp) == Array(996...1000))
    #expect(oracle.reports(of: quiet.address).map(\.timestamp) == [1, 2])
    #expect(oracle.proofs(of: busy.address).count == 5)
    #expect(oracle.agent(busy.address)?.proofCount == 1000)
    // One that is kept is known; one whose report has left is not.
    func isCounted(_ input: Int64, at timestamp: Int64) async throws -> Bool {
      let before = oracle.agent(busy.address)?.proofCount
      let proof = InferenceProof(
        model: "m", input: "\(input)", output: "o", agent: busy.address, tokenCount: 2)
      let body = try signedReport(by: busy, tokens: 3000, timestamp: timestamp) {
        $0["proofs"] = [proof.json]
      }
      #expect(await oracle.post(body).status == 200)
      return oracle.agent(busy.address)?.proofCount != before
    }
    #expect(try await !isCounted(1000, at: 1001))
    #expect(try await isCounted(1, at: 1002))
  }

  @Test("A proof is told from new ones for as long as a report that carried it is kept, no longer")
  func oldProofs() async throws {
    let oracle = MockOracle(
      OracleConfiguration(unixClock: TestTime(1_770_200_000).clock, journalCapacity: 1))
    let key = try testKey()
    var timestamp: Int64 = 0
    func report(_ numbers: Range<Int>) async throws {
      timestamp += 1
      let proofs = numbers.map { number in
        InferenceProof(
          model: "m", input: "\(number)", output: "o", agent: key.address, tokenCount: 2)
      }
      let body = try signedReport(by: key, timestamp: timestamp) {
        $0["proofs"] = .array(proofs.map(\.json))
      }
      #expect(await oracle.post(body).status == 200)
    }
    func proofCount() -> Int? { oracle.agent(key.address)?.proofCount }
    let (reports, proofsEach) = (600, 50)
    for number in 0..<reports {
      try await report(number * proofsEach..<(number + 1) * proofsEach)
    }
    let all = reports * proofsEach
    #expect(oracle.reports(of: key.address).count < reports, "nothing has left yet")
    try await report(all - 1..<all)
    #expect(proofCount() == all, "a proof that is remembered was counted twice")
    try await report(0..<1)
    #expect(proofCount() == all + 1, "a proof whose report has left is still remembered")
  }

  @Test("Old epochs leave, an agent's latest stays and goes on being accounted to")
  func epochs() async throws {
    let epoch = TestTime(0)
    let oracle = MockOracle(
      OracleConfiguration(
        dialects: [.deployed], apiKey: "key", epoch: EpochSource { UInt64(epoch.seconds) },
        unixClock: TestTime(1_770_200_000).clock, journalCapacity: 1))
    func report(by key: SecretKey, tokens: Int64, timestamp: Int64) async throws {
      let body = try deployedReport(by: key, tokens: tokens, timestamp: timestamp)
      let answer = await oracle.post(
        body.serialized(), to: DeployedReport.keyedPath, headers: try keyed())
      #expect(answer.status == 201)
    }
    let (quiet, busy) = (try testKey(1), try testKey(2))
    try await report(by: quiet, tokens: 100, timestamp: 1)
    let count: Int64 = 21_000
    for number in 1...count {
      epoch.seconds = number
      try await report(by: busy, tokens: 7 * number, timestamp: number)
    }
    #expect(oracle.agent(busy.address)?.processedTokens == 7 * count)
    #expect(oracle.epoch(1, of: busy.address) == nil)
    #expect(oracle.epoch(UInt64(count), of: busy.address)?.processedTokens == 7)
    // The quiet agent's counter runs on in its epoch, however many others have passed.
    epoch.seconds = 0
    try await report(by: quiet, tokens: 130, timestamp: 2)
    #expect(oracle.epoch(0, of: quiet.address)?.processedTokens == 130)
    #expect(oracle.agent(quiet.address)?.processedTokens == 130)
  }
}
