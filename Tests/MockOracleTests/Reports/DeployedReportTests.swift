import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Deployed report", .timeLimit(.minutes(5))) struct DeployedReportTests {
  private let path = ReportDialect.deployed.path

  private func oracle(
    at seconds: Int64 = 1_770_200_000, profile: OracleProfile = .fixed, apiKey: String? = nil
  ) -> MockOracle {
    MockOracle(
      OracleConfiguration(
        dialects: [.deployed], profile: profile, apiKey: apiKey, unixClock: TestTime(seconds).clock)
    )
  }

  private func recorded(_ shouldReset: Bool) -> Answer {
    Answer(
      status: 201,
      body: [
        "success": true, "message": "Metrics recorded successfully",
        "shouldReset": .bool(shouldReset),
      ])
  }

  private func refused(_ status: Int, _ error: String, _ message: String) -> Answer {
    Answer(
      status: status,
      body: ["message": .string(message), "error": .string(error), "statusCode": .integer(status)])
  }

  @Test(
    "A report signed by another implementation is accepted byte for byte",
    arguments: ReportVector.all)
  func vectors(vector: ReportVector) async throws {
    let oracle = oracle(at: vector.timestamp)
    try await oracle.withServer { address in
      let answer = try await fetch(
        address.url + path, "POST", body: vector.deployed.serialized(),
        contentType: "application/json")
      #expect(answer.status == 201)
      #expect(try JSON.parse(answer.body) == recorded(true).body)
    }
    let report = try #require(oracle.journal.entries.first?.accepted)
    #expect(report.processedTokens == vector.deployed["tokensProcessed"]?.integerValue)
    #expect(report.tasksCompleted == vector.deployed["requestCount"]?.integerValue)
  }

  @Test(
    "The same number spelled another way is the same signed text",
    arguments: [
      "600.0", "6e2", "600",
    ])
  func numberTexts(spelling: String) async throws {
    let report = try deployedReport(by: testKey()) {
      $0["tokensProcessed"] = JSONNumber(spelling).map(JSON.number)
    }
    #expect(await oracle().post(report, to: path) == recorded(true))
  }

  @Test("Any bit flipped in the wallet, the tokens, the time or the signature is refused")
  func bitFlips() async throws {
    let oracle = oracle(at: ReportVector.first.timestamp)
    for field in ["wallet", "tokensProcessed", "timestamp", "signature"] {
      let text = ReportVector.first.deployed[field]?.text ?? ""
      let body = ReportVector.first.deployed.text
      let start = try #require(body.utf8.firstRange(of: text.utf8)?.lowerBound)
      let offset = body.utf8.distance(from: body.startIndex, to: start)
      for index in offset..<(offset + text.utf8.count) {
        for bit in 0..<8 {
          var flipped = Array(body.utf8)
          flipped[index] ^= 1 << bit
          // The same signature spelled with another case of a letter is the same signature.
          if field == "signature",
            String(decoding: flipped, as: UTF8.self).lowercased() == body.lowercased()
          {
            continue
          }
          let status = await oracle.post(flipped, to: path).status
          #expect(status == 400 || status == 401, "bit \(bit) of byte \(index) gave \(status)")
        }
      }
    }
    #expect(oracle.agents.isEmpty)
  }

  @Test(
    "Sixty seconds off is accepted, sixty-one is not",
    arguments: [
      (-61, 401), (-60, 201), (60, 201), (61, 401),
    ] as [(Int64, Int)])
  func window(offset: Int64, status: Int) async throws {
    let report = try deployedReport(by: testKey(), timestamp: 1_770_200_000 + offset)
    let answer = await oracle().post(report, to: path)
    #expect(answer.status == status)
    if status == 401 { #expect(answer == refused(401, "Unauthorized", "Invalid signature")) }
  }

  @Test("A signature without 0x, or by somebody else, is refused")
  func wrongSignature() async throws {
    let expected = refused(401, "Unauthorized", "Invalid signature")
    let bare = try deployedReport(by: testKey()) {
      $0["signature"] = .string(String(($0["signature"]?.stringValue ?? "").dropFirst(2)))
    }
    #expect(await oracle().post(bare, to: path) == expected)
    let other = try testKey(2).address.checksummed
    let foreign = try deployedReport(by: testKey()) { $0["wallet"] = .string(other) }
    #expect(await oracle().post(foreign, to: path) == expected)
  }

  @Test("Registration, replay, token count: each is refused in the deployed oracle's words")
  func reasons() async throws {
    let oracle = oracle()
    let key = try testKey()
    func post(_ report: JSON) async -> Answer { await oracle.post(report, to: path) }
    #expect(await post(try deployedReport(by: key)) == recorded(true))
    #expect(
      await post(try deployedReport(by: key))
        == refused(
          400, "Bad Request", "Replay detected: timestamp must be strictly increasing"))
    let many = try deployedReport(by: key, tokens: 1_000_000_001, timestamp: 1_770_200_001)
    #expect(
      await post(many) == refused(400, "Bad Request", "Token count exceeds maximum allowed"))
    // The limit is looked at before the chain is asked for the epoch.
    struct Down: Error {}
    let cutOff = MockOracle(
      OracleConfiguration(
        dialects: [.deployed], epoch: EpochSource { throw Down() },
        unixClock: TestTime(1_770_200_000).clock))
    #expect(
      await cutOff.post(many, to: path)
        == refused(400, "Bad Request", "Token count exceeds maximum allowed"))
    let most = try deployedReport(by: key, tokens: 1_000_000_000, timestamp: 1_770_200_001)
    #expect(await post(most) == recorded(false))
    let strict = MockOracle(
      OracleConfiguration(
        dialects: [.deployed], registration: RegistrationCheck { _ in false },
        unixClock: TestTime(1_770_200_000).clock))
    #expect(
      await strict.post(try deployedReport(by: key), to: path)
        == refused(400, "Bad Request", "Agent not registered on-chain"))
  }

  @Test("A fraction of a token passes validation and then fails inside")
  func fractionalTokens() async throws {
    let key = try testKey()
    let time: Int64 = 1_770_200_000
    let text = DeployedReport.signedText(
      agent: .string(key.address.checksummed), tokens: JSONNumber("1.5").map(JSON.number),
      timestamp: .integer(time))
    let report = try deployedReport(by: key) {
      $0["tokensProcessed"] = JSONNumber("1.5").map(JSON.number)
      $0["signature"] = .string(text.signature(by: key).hex)
    }
    let oracle = oracle()
    #expect(
      await oracle.post(report, to: path)
        == refused(400, "Bad Request", "Internal server error"))
    #expect(oracle.agents.isEmpty)
  }

  @Test("With the configured key neither signature nor time matter; a wrong key is refused")
  func apiKey() async throws {
    let name = try #require(HTTPField.Name("x-api-key"))
    let report = try deployedReport(by: testKey(), timestamp: 5) { $0["signature"] = "none" }
    let body = report.serialized()
    let withKey = oracle(apiKey: "secret")
    #expect(
      await withKey.post(body, to: "/api/metrics", headers: [name: "wrong"])
        == refused(401, "Unauthorized", "Invalid API key"))
    #expect(await withKey.post(body, to: "/api/metrics").status == 401)
    #expect(
      await withKey.post(body, to: "/api/metrics", headers: [name: "secret"]) == recorded(true))
    // An empty key is none, and a key that is there twice is wrong.
    #expect(
      await withKey.post(body, to: "/api/metrics", headers: [name: ""])
        == refused(401, "Unauthorized", "Invalid signature"))
    let twice = HTTPFields([
      HTTPField(name: name, value: "secret"), HTTPField(name: name, value: "secret"),
    ])
    #expect(
      await withKey.post(body, to: "/api/metrics", headers: twice)
        == refused(401, "Unauthorized", "Invalid API key"))
    // The signed route takes no key.
    #expect(await withKey.post(body, to: path, headers: [name: "secret"]).status == 401)
    #expect(
      await oracle().post(body, to: "/api/metrics", headers: [name: "secret"])
        == refused(401, "Unauthorized", "Invalid API key"))
  }

  @Test("A body over 100 kB is refused")
  func bodyLimit() async throws {
    let answer = await oracle().post([UInt8](repeating: 0x20, count: 102_401), to: path)
    #expect(
      answer
        == Answer(
          status: 413, body: ["statusCode": 413, "message": "request entity too large"]))
  }

  @Test("A documented report sent to the deployed oracle finds no route")
  func documentedReport() async throws {
    #expect(
      await oracle().post(try signedReport(by: testKey()))
        == refused(404, "Not Found", "Cannot POST /api/v1/report"))
  }

  @Test("An oracle of both dialects takes both")
  func bothDialects() async throws {
    let oracle = MockOracle(
      OracleConfiguration(
        dialects: [.documented, .deployed], unixClock: TestTime(1_770_200_000).clock))
    #expect(await oracle.post(try signedReport(by: testKey(1))).status == 200)
    #expect(await oracle.post(try deployedReport(by: testKey(2)), to: path).status == 201)
    #expect(oracle.agents.count == 2)
  }
}
