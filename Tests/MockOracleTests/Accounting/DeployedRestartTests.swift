import AsyncPrimitives
import EthereumPrimitives
import FoundationEssentials
import MockOracle
import PlumiseWire
import TestSupport
import Testing

@Suite("Restarts and lost reports of the deployed oracle", .timeLimit(.minutes(5)))
struct DeployedRestartTests {
  private let path = ReportDialect.deployed.path
  private let start: Int64 = 1_770_200_000

  private func oracle(
    _ profile: OracleProfile, epoch: TestTime = TestTime(0), log: (any ReportLog)? = nil
  ) -> MockOracle {
    MockOracle(
      OracleConfiguration(
        dialects: [.deployed], profile: profile,
        epoch: EpochSource { UInt64(epoch.seconds) }, log: log,
        unixClock: TestTime(start).clock))
  }

  @Test(
    "A start forgets the counters of agents without a report in its epoch, and no others",
    arguments: OracleProfile.allCases)
  func counters(profile: OracleProfile) async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "oracle.sqlite").path
      let epoch = TestTime(1)
      let (early, late) = (try testKey(1), try testKey(2))
      func post(
        _ key: SecretKey, _ tokens: Int64, _ offset: Int64, to oracle: MockOracle
      )
        async throws
      {
        let report = try deployedReport(by: key, tokens: tokens, timestamp: start + offset)
        #expect(await oracle.post(report, to: path).status == 201)
      }
      do {
        let oracle = oracle(
          profile, epoch: epoch, log: try SQLiteReportLog(path: file, profile: profile))
        try await post(early, 100, 1, to: oracle)
        epoch.seconds = 2
        try await post(late, 100, 1, to: oracle)
      }
      let restarted = oracle(
        profile, epoch: epoch, log: try SQLiteReportLog(path: file, profile: profile))
      try await post(early, 150, 2, to: restarted)
      try await post(late, 150, 2, to: restarted)
      let isFaithful = profile == .faithful
      #expect(
        restarted.epoch(2, of: early.address)?.processedTokens == (isFaithful ? 150 : 50))
      #expect(restarted.epoch(2, of: late.address)?.processedTokens == 150)
      // From then on they are kept again.
      try await post(early, 160, 3, to: restarted)
      #expect(
        restarted.epoch(2, of: early.address)?.processedTokens == (isFaithful ? 160 : 60))
    }
  }

  @Test(
    "What a start forgets is decided when the oracle starts, not at its first report",
    arguments: OracleProfile.allCases)
  func epochOfStart(profile: OracleProfile) async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "oracle.sqlite").path
      let (epoch, asked, key) = (TestTime(1), AsyncState(0), try testKey())
      do {
        let report = try deployedReport(by: key, tokens: 100, timestamp: start)
        let oracle = oracle(
          profile, epoch: epoch, log: try SQLiteReportLog(path: file, profile: profile))
        #expect(await oracle.post(report, to: path).status == 201)
      }
      let restarted = MockOracle(
        OracleConfiguration(
          dialects: [.deployed], profile: profile,
          epoch: EpochSource {
            defer { asked.update { $0 += 1 } }
            return UInt64(epoch.seconds)
          }, log: try SQLiteReportLog(path: file, profile: profile),
          unixClock: TestTime(start).clock))
      try await restarted.withServer { _ in
        if profile == .faithful {
          try await endsInTime(butCame: "no question for the epoch") {
            _ = try await asked.wait { $0 > 0 }
          }
        }
        epoch.seconds = 2
        let report = try deployedReport(by: key, tokens: 150, timestamp: start + 1)
        #expect(await restarted.post(report, to: path).status == 201)
      }
      #expect(restarted.epoch(2, of: key.address)?.processedTokens == 50)
    }
  }

  @Test(
    "A count that no column holds loses the report with its difference, or changes nothing",
    arguments: OracleProfile.allCases)
  func beyondItsColumn(profile: OracleProfile) async throws {
    for field in ["requestCount", "uptimeSeconds"] {
      let (oracle, key) = (oracle(profile), try testKey())
      func post(_ tokens: Int64, _ offset: Int64, _ count: JSON? = nil) async throws -> Int? {
        let report = try deployedReport(by: key, tokens: tokens, timestamp: start + offset) {
          if let count { $0[field] = count }
        }
        return await oracle.post(report, to: path).status
      }
      #expect(try await post(100, 0, .integer(3_000_000_000)) == 400)
      #expect(try await post(100, 0) == (profile == .faithful ? 400 : 201), "\(field)")
      #expect(try await post(130, 1) == 201)
      #expect(
        oracle.agent(key.address)?.processedTokens == (profile == .faithful ? 30 : 130), "\(field)")
    }
  }

  @Test(
    "A start forgets the last timestamps of agents without a report in its epoch",
    arguments: OracleProfile.allCases)
  func timestamps(profile: OracleProfile) async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "oracle.sqlite").path
      let epoch = TestTime(1)
      let key = try testKey()
      let report = try deployedReport(by: key, timestamp: start)
      for (number, status) in [(1, 201), (1, 400), (2, profile == .faithful ? 201 : 400)] {
        epoch.seconds = Int64(number)
        let oracle = oracle(
          profile, epoch: epoch, log: try SQLiteReportLog(path: file, profile: profile))
        #expect(await oracle.post(report, to: path).status == status)
      }
    }
  }

  @Test(
    "A report that cannot be saved is lost with its difference, or may come again",
    arguments: OracleProfile.allCases)
  func lostSave(profile: OracleProfile) async throws {
    let oracle = oracle(profile, log: FailingLog(failures: 1))
    let key = try testKey()
    let lost = try deployedReport(by: key, tokens: 100, timestamp: start)
    #expect(
      await oracle.post(lost, to: path)
        == Answer(
          status: 400,
          body: [
            "message": "Internal server error", "error": "Bad Request", "statusCode": 400,
          ]))
    let again = await oracle.post(lost, to: path)
    let later = try deployedReport(by: key, tokens: 130, timestamp: start + 1)
    #expect(await oracle.post(later, to: path).status == 201)
    #expect(again.status == (profile == .faithful ? 400 : 201))
    #expect(
      oracle.agent(key.address)?.processedTokens == (profile == .faithful ? 30 : 130))
  }

  @Test("Proofs are judged when they are stored, count again, and are the same after a restart")
  func proofs() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "oracle.sqlite").path
      let key = try testKey()
      func hash(_ digit: Character) -> JSON { .string("0x" + String(repeating: digit, count: 64)) }
      func proof(_ model: JSON, _ input: JSON, _ output: JSON, _ tokens: JSON) -> JSON {
        ["modelHash": model, "inputHash": input, "outputHash": output, "tokenCount": tokens]
      }
      let good = proof(hash("a"), hash("b"), hash("c"), 5)
      let proofs: [JSON] = [
        good, good, proof(hash("a"), hash("b"), hash("c"), 100),
        proof(hash("a"), hash("b"), hash("c"), 101), proof(hash("b"), hash("b"), hash("c"), 5),
        proof(hash("a"), hash("b"), hash("b"), 5), proof(hash("a"), hash("b"), hash("a"), 5),
        proof(.string(String(repeating: "a", count: 66)), hash("b"), hash("c"), 5),
      ]
      let report = try deployedReport(by: key, tokens: 100, timestamp: start) {
        $0["proofs"] = .array(proofs)
      }
      var before: [Answer] = []
      for life in 0..<2 {
        let oracle = oracle(.fixed, log: try SQLiteReportLog(path: file))
        if life == 0 { #expect(await oracle.post(report, to: path).status == 201) }
        #expect(
          oracle.proofs(of: key.address).map(\.isVerified)
            == [true, true, true, false, false, false, true, false])
        var answers: [Answer] = []
        for rest in ["", "?verified=true", "/stats", "/stats?epoch=0"] {
          answers.append(await oracle.get("/api/v1/proofs/\(key.address)\(rest)"))
        }
        #expect(answers.allSatisfy { $0.status == 200 })
        #expect(answers[2].body?["verifiedTokens"] == "115")
        #expect(answers[2].body?["verificationRate"] == 50)
        #expect(answers[1].body?["count"] == 4)
        #expect(
          answers[1].body?["proofs"]?[3]?["createdAt"] == "2026-02-04T10:13:20.000Z")
        if life == 1 { #expect(answers == before) }
        before = answers
      }
    }
  }
}
