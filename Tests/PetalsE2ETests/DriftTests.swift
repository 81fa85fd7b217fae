import EthereumPrimitives
import InferenceMetrics
import MockOracle
import MockServing
import OracleReporter
import PlumiseWire
import TestSupport
import Testing

/// What the real parts disagree about, row by row of the list of drifts: the oracle does it to the
/// letter in its dialect, our clients repair what can be repaired.
@Suite("Drift", .timeLimit(.minutes(5))) struct DriftTests {
  private let start: Int64 = 1_770_200_000
  private let reportPath = ReportDialect.deployed.path

  private func oracle(
    _ profile: OracleProfile, _ dialects: Set<ReportDialect> = [.deployed],
    at time: TestTime = TestTime(1_770_200_000)
  ) -> MockOracle {
    MockOracle(
      OracleConfiguration(dialects: dialects, profile: profile, unixClock: time.clock))
  }

  private func proofs(_ count: Int, _ key: SecretKey) -> [InferenceProof] {
    (0..<count).map {
      InferenceProof(
        model: "m", input: "\($0)", output: "o", agent: key.address, tokenCount: 1)
    }
  }

  private func report(_ dialect: ReportDialect) throws -> JSON {
    switch dialect {
    case .documented: try signedReport(by: testKey(), timestamp: start)
    case .deployed: try deployedReport(by: testKey(), timestamp: start)
    }
  }

  private func deployed(
    by key: SecretKey, _ proofs: [JSON], timestamp: Int64 = 1_770_200_000
  ) throws -> JSON {
    try deployedReport(by: key, timestamp: timestamp) { $0["proofs"] = .array(proofs) }
  }

  @Test(
    "1: a documented report finds no route at the deployed oracle",
    arguments: OracleProfile.allCases)
  func documentedToDeployed(profile: OracleProfile) async throws {
    let answer = await oracle(profile).post(try signedReport(by: testKey()))
    #expect(answer.status == 404 && answer.message == "Cannot POST /api/v1/report")
  }

  @Test(
    "2: a deployed report finds no route at the documented oracle",
    arguments: OracleProfile.allCases)
  func deployedToDocumented(profile: OracleProfile) async throws {
    let oracle = oracle(profile, [.documented])
    #expect(await oracle.post(try deployedReport(by: testKey()), to: reportPath).status == 404)
  }

  @Test(
    "3: the deployed oracle refuses the documented form of a proof; our reporter sends its own",
    arguments: OracleProfile.allCases)
  func proofForms(profile: OracleProfile) async throws {
    let key = try testKey()
    let proof = proofs(1, key)[0]
    let answer = await oracle(profile).post(try deployed(by: key, [proof.json]), to: reportPath)
    #expect(
      answer.messages == [
        "proofs.0.property agentAddress should not exist",
        "proofs.0.property proofHash should not exist",
      ])
    let accepting = oracle(profile)
    let reporting = try ReporterFixture(to: accepting, dialect: .deployed)
    reporting.collector.recordProof(reporting.proof(1))
    #expect(await reporting.reporter.reportNow().isAccepted)
    #expect(accepting.proofs(of: reporting.key.address).count == 1)
  }

  @Test(
    "4: more proofs than 100 kB hold are refused with 413; our reporter splits them",
    arguments: OracleProfile.allCases)
  func tooManyProofs(profile: OracleProfile) async throws {
    let key = try testKey()
    let all = proofs(400, key).map(\.deployedJSON)
    #expect(await oracle(profile).post(try deployed(by: key, all), to: reportPath).status == 413)
    let accepting = oracle(profile)
    let reporting = try ReporterFixture(to: accepting, dialect: .deployed)
    (0..<400).forEach { reporting.collector.recordProof(reporting.proof($0)) }
    try await reporting.reporter.start()
    #expect(await reporting.reporter.stop()?.isAccepted == true)
    #expect(accepting.proofs(of: reporting.key.address).count == 400)
    #expect(accepting.journal.entries.allSatisfy { $0.status == 201 })
  }

  @Test(
    "5: a proof of no token costs the whole report; our reporter leaves it out",
    arguments: OracleProfile.allCases)
  func emptyProof(profile: OracleProfile) async throws {
    let key = try testKey()
    var empty = proofs(1, key)[0].deployedJSON.objectValue ?? [:]
    empty["tokenCount"] = 0
    let answer = await oracle(profile).post(
      try deployed(by: key, [.object(empty)]), to: reportPath)
    #expect(answer.messages == ["proofs.0.tokenCount must not be less than 1"])
    let accepting = oracle(profile)
    let reporting = try ReporterFixture(to: accepting, dialect: .deployed)
    reporting.collector.recordProof(reporting.proof(1, tokens: 0))
    #expect(await reporting.reporter.reportNow().isAccepted)
    #expect(reporting.collector.proofs.count == 0)
  }

  @Test(
    "6: a counter above 1 000 000 000 is refused for ever; our reporter starts it again",
    arguments: OracleProfile.allCases)
  func highCounter(profile: OracleProfile) async throws {
    let oracle = oracle(profile)
    let key = try testKey()
    for step in 0..<3 as Range<Int64> {
      let report = try deployedReport(
        by: key, tokens: 1_000_000_001 + step, timestamp: start + step)
      let answer = await oracle.post(report, to: reportPath)
      #expect(answer.message == "Token count exceeds maximum allowed")
    }
    let accepting = self.oracle(profile)
    let reporting = try ReporterFixture(to: accepting, dialect: .deployed)
    for _ in 0..<5 {
      reporting.collector.recordInference(tokens: 600_000_000, latency: .milliseconds(1))
      #expect(await reporting.reporter.reportNow().isAccepted)
    }
    try await reporting.reporter.start()
    await reporting.reporter.stop()
    #expect(accepting.agent(reporting.key.address)?.processedTokens == 3_000_000_000)
  }

  @Test(
    "7: a second report in the same second is a replay; our reporter moves on",
    arguments: OracleProfile.allCases, ReportDialect.allCases)
  func sameSecond(profile: OracleProfile, dialect: ReportDialect) async throws {
    let oracle = oracle(profile, [dialect])
    let body =
      try dialect == .documented
      ? signedReport(by: testKey(), timestamp: start)
      : deployedReport(by: testKey(), timestamp: start)
    _ = await oracle.post(body, to: dialect.path)
    let again = await oracle.post(body, to: dialect.path)
    #expect(again.status == (dialect == .documented ? 409 : 400))
    #expect(again.message?.hasPrefix("Replay detected") == true)
    let accepting = self.oracle(profile, [dialect])
    let reporting = try ReporterFixture(to: accepting, dialect: dialect)
    try await reporting.reporter.start()
    #expect(await reporting.reporter.reportNow().isAccepted)
    #expect(await reporting.reporter.stop()?.isAccepted == true)
    #expect(
      accepting.reports(of: reporting.key.address).map(\.timestamp) == [start, start + 1])
  }

  @Test(
    "8: the deployed oracle takes bloom-560m to have 32 blocks; it has 24",
    arguments: [(OracleProfile.fixed, 24), (.faithful, 32)])
  func layers(profile: OracleProfile, count: Int) async throws {
    let answer = await oracle(profile).post(
      pipelineRegistration(by: try testKey()), to: PipelineRegistration.path)
    #expect(answer.body?["totalLayers"] == .integer(count))
    #expect(answer.body?["layerEnd"] == .integer(count))
  }

  @Test(
    "9: at some counts of nodes the deployed oracle leaves the last of them nothing or less",
    arguments: [
      ("any", 32, [9, 12] + Array(17...21) + Array(33...40)),
      ("qwen/qwen3-32b", 64, [14, 17, 18, 23, 24, 25] + Array(33...40)),
      ("qwen/qwen3.5-397b-a17b", 96, [17, 21, 25, 26, 27] + Array(33...38)),
    ])
  func ranges(model: String, layers: Int, wrong: [Int]) async throws {
    let faithful = oracle(.faithful)
    var found: [Int] = []
    for count in 1...40 {
      try await register(count...count, with: faithful, model: model)
      let sizes = faithful.topology(of: model).map { $0.layerEnd - $0.layerStart }
      #expect(sizes.count == count && sizes.reduce(0, +) == layers)
      if let last = sizes.last, last <= 0 { found.append(count) }
    }
    #expect(found == wrong)
  }

  @Test("9: ours hands out no empty range, and refuses the node beyond the last block")
  func wholeRanges() async throws {
    let fixed = oracle(.fixed)
    for count in 1...24 {
      try await register(count...count, with: fixed)
      let nodes = fixed.topology(of: model)
      #expect(nodes.count == count && nodes.first?.layerStart == 0 && nodes.last?.layerEnd == 24)
      #expect(nodes.allSatisfy { $0.layerStart < $0.layerEnd })
      #expect(zip(nodes, nodes.dropFirst()).allSatisfy { $0.layerEnd == $1.layerStart })
    }
    let body = pipelineRegistration(by: try testKey(25), model: model)
    let answer = await fixed.post(body, to: PipelineRegistration.path)
    #expect(answer.status == 400)
    #expect(answer.message == "No layers left: each of the 24 layers has a node already")
    #expect(fixed.topology(of: model).count == 24)
  }

  private var model: String { PlumiseNetwork.model }

  private func register(
    _ numbers: ClosedRange<Int>, with oracle: MockOracle, model: String = PlumiseNetwork.model
  ) async throws {
    for number in numbers {
      let body = pipelineRegistration(by: try testKey(UInt8(number)), model: model)
      #expect(await oracle.post(body, to: PipelineRegistration.path).status == 201)
    }
  }

  @Test(
    "10: a constant latency of 100 ms is stored as 100, 150, 200",
    arguments: [(OracleProfile.fixed, [100, 100, 100]), (.faithful, [100, 150, 200])])
  func latency(profile: OracleProfile, averages: [Double]) async throws {
    let oracle = oracle(profile)
    let reporting = try ReporterFixture(to: oracle, dialect: .deployed)
    var stored: [Double?] = []
    for _ in 0..<3 {
      reporting.collector.recordInference(tokens: 1, latency: .milliseconds(100))
      #expect(await reporting.reporter.reportNow().isAccepted)
      stored.append(oracle.agent(reporting.key.address)?.averageLatencyMilliseconds)
    }
    #expect(stored == averages)
  }

  @Test(
    "18: the documented text escapes what is not ASCII, the deployed one does not",
    arguments: OracleProfile.allCases)
  func nonASCII(profile: OracleProfile) async throws {
    let key = try testKey()
    let documented = try signedReport(by: key) { $0["note"] = "é😀" }
    let payload = try #require(documented["payload"])
    #expect(SignedText(canonical: payload).text.contains(#""note":"\u00e9\ud83d\ude00""#))
    #expect(await oracle(profile, [.documented]).post(documented).status == 200)
    // Signed as the other dialect does, it is somebody else's.
    let raw = SignedText(stringified: [("payload", payload)]).signature(by: key)
    #expect(
      await oracle(profile, [.documented])
        .post(["payload": payload, "signature": .string(raw.hex)]).status == 401)

    let node = nodeRegistration(by: key)
    var object = try #require(node.objectValue)
    object["capabilities"] = ["é😀"]
    let text = RegistryMessage.signedText(NodeRegistration.signedMembers, of: object)
    #expect(text.text.contains(#""capabilities":["é😀"]"#))
    object["signature"] = .string(text.signature(by: key).hex)
    #expect(await oracle(profile).post(.object(object), to: NodeRegistration.path).status == 201)
    let members = NodeRegistration.signedMembers.compactMap { name in
      object[name].map { (name, $0) }
    }
    let escaped = CanonicalJSON.text(of: .object(JSONObject(uniqueMembers: members)))
    object["signature"] = .string(key.signPersonalMessage(escaped).hex)
    #expect(await oracle(profile).post(.object(object), to: NodeRegistration.path).status == 401)
  }

  @Test(
    "19: 100.0 and 100 are two documented texts and one deployed text",
    arguments: OracleProfile.allCases)
  func numberTexts(profile: OracleProfile) async throws {
    let key = try testKey()
    let number = try #require(JSONNumber("100.0").map(JSON.number))
    var documented = try #require(try signedReport(by: key).objectValue)
    var payload = try #require(documented["payload"]?.objectValue)
    #expect(payload["avg_latency_ms"] == number)
    payload["avg_latency_ms"] = 100
    documented["payload"] = .object(payload)
    #expect(await oracle(profile, [.documented]).post(.object(documented)).status == 401)
    let deployed = try deployedReport(by: key, tokens: 100) { $0["tokensProcessed"] = number }
    #expect(await oracle(profile).post(deployed, to: reportPath).status == 201)
  }

  @Test(
    "20: a signature without 0x is refused in both dialects",
    arguments: OracleProfile.allCases, ReportDialect.allCases)
  func bareSignature(profile: OracleProfile, dialect: ReportDialect) async throws {
    var body = try #require(try report(dialect).objectValue)
    body["signature"] = .string(String(try #require(body["signature"]?.stringValue).dropFirst(2)))
    #expect(
      await oracle(profile, [dialect]).post(.object(body), to: dialect.path).status == 401)
  }

  @Test(
    "21: a bad signature is 401 for metrics and nodes, and 400 for pipelines",
    arguments: OracleProfile.allCases)
  func badSignature(profile: OracleProfile) async throws {
    let oracle = oracle(profile)
    let (key, none) = (try testKey(), JSON.string("0x" + String(repeating: "1", count: 130)))
    let bodies: [(String, JSON, Int)] = [
      (reportPath, try deployedReport(by: key) { $0["signature"] = none }, 401),
      (NodeRegistration.path, nodeRegistration(by: key) { $0["signature"] = none }, 401),
      (PipelineRegistration.path, pipelineRegistration(by: key) { $0["signature"] = none }, 400),
    ]
    for (path, body, status) in bodies {
      let answer = await oracle.post(body, to: path)
      #expect(answer.status == status && answer.message == "Invalid signature")
    }
  }

  @Test(
    "22: a missing node is 400, a missing agent 404", arguments: OracleProfile.allCases)
  func missing(profile: OracleProfile) async throws {
    let oracle = oracle(profile)
    let address = try testKey().address
    #expect(await oracle.get("/api/nodes/\(address)").status == 400)
    #expect(await oracle.get("/api/agents/\(address)").status == 404)
  }

  @Test(
    "23: a stop that promises a last report sends one",
    arguments: OracleProfile.allCases, ReportDialect.allCases)
  func lastReport(profile: OracleProfile, dialect: ReportDialect) async throws {
    let oracle = oracle(profile, [dialect])
    let reporting = try ReporterFixture(to: oracle, dialect: dialect)
    try await reporting.reporter.start()
    reporting.collector.recordInference(tokens: 77, latency: .milliseconds(3))
    let last = await reporting.reporter.stop()
    #expect(last?.isFinal == true && last?.isAccepted == true)
    #expect(oracle.agent(reporting.key.address)?.processedTokens == 77)
  }
}
