import EthereumPrimitives
import Foundation
import HTTPTypes
import MockOracle
import MockServing
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Documented report", .timeLimit(.minutes(5))) struct DocumentedReportTests {
  private let received = Answer(
    status: 200, body: ["status": "success", "message": "Report received"])

  @Test(
    "A report signed by another implementation is accepted byte for byte",
    arguments: ReportVector.all)
  func vectors(vector: ReportVector) async throws {
    try await MockOracle.withServer { oracle, address in
      let answer = try await fetch(
        address.url + "/api/v1/report", "POST", body: vector.documented.serialized())
      #expect(answer.status == 200)
      #expect(try JSON.parse(answer.body) == received.body)
      let report = try #require(oracle.journal.entries.first?.accepted)
      #expect(report.timestamp == vector.timestamp)
      #expect(report.agent.checksummed == vector.payload["agent"]?.stringValue)
      let agent = try #require(oracle.agent(report.agent))
      #expect(agent.processedTokens == vector.payload["processed_tokens"]?.integerValue)
      #expect(agent.averageLatencyMilliseconds == vector.payload["avg_latency_ms"]?.doubleValue)
      #expect(agent.uptimeSeconds == vector.payload["uptime_seconds"]?.integerValue)
      #expect(agent.tasksCompleted == vector.payload["tasks_completed"]?.integerValue)
      #expect(agent.reportCount == 1 && agent.lastTimestamp == vector.timestamp)
    }
  }

  @Test("A body's order of keys and white space do not matter, its number texts do")
  func numberTexts() async throws {
    let oracle = MockOracle()
    let key = try testKey()
    let report = try signedReport(by: key)
    let text = report.text
    #expect(text.contains("\"avg_latency_ms\":100.0"))
    let respelled = text.replacing("100.0", with: "100")
    let refused = await oracle.post(Array(respelled.utf8))
    #expect(refused.status == 401)
    let members = try #require(report["payload"]?.objectValue?.members.reversed())
    let spaced =
      "{ \"signature\" : \"\(report["signature"]?.stringValue ?? "")\",\n\"payload\": {"
      + members.map { "\"\($0.key)\" :\t\($0.value.text)" }.joined(separator: " ,") + "}}\n"
    #expect(await oracle.post(Array(spaced.utf8)) == received)
  }

  @Test("An integer average is as good as a fraction, when that is what was signed")
  func integerAverage() async throws {
    let report = try signedReport(by: testKey()) { $0["avg_latency_ms"] = 100 }
    #expect(await MockOracle().post(report) == received)
  }

  @Test("A payload with fields of its own is accepted when they are signed too")
  func extraFields() async throws {
    let report = try signedReport(by: testKey()) { $0["région"] = "île 🏝" }
    #expect(await MockOracle().post(report) == received)
  }

  @Test("An agent's address may be of any case, as long as that is what was signed")
  func lowercaseAgent() async throws {
    let key = try testKey()
    let report = try signedReport(by: key) { $0["agent"] = .string(key.address.lowercaseHex) }
    #expect(await MockOracle().post(report) == received)
  }

  @Test("Proofs are kept with the report that carried them")
  func proofs() async throws {
    let key = try testKey()
    let proof = InferenceProof(
      model: "bigscience/bloom-560m", input: "Explain", output: "Because", agent: key.address,
      tokenCount: 4)
    let oracle = MockOracle()
    let report = try signedReport(by: key) { $0["proofs"] = .array([proof.json]) }
    #expect(await oracle.post(report) == received)
    #expect(oracle.proofs(of: key.address).map(\.inputHash) == [proof.inputHash.hex])
    #expect(oracle.agent(key.address)?.proofCount == 1)
  }

  @Test("The total of an agent is the cumulative counter that it reported last")
  func cumulative() async throws {
    let oracle = MockOracle()
    let key = try testKey()
    for (timestamp, tokens) in [(10, 100), (20, 250), (30, 250)] as [(Int64, Int64)] {
      let report = try signedReport(by: key, tokens: tokens, timestamp: timestamp)
      #expect(await oracle.post(report) == received)
    }
    #expect(oracle.agent(key.address)?.processedTokens == 250)
    #expect(oracle.reports(of: key.address).map(\.processedTokens) == [100, 250, 250])
  }

  @Test("Health is ok, and readiness follows the server")
  func health() async throws {
    let oracle = MockOracle()
    #expect(await oracle.get("/health") == Answer(status: 200, body: ["status": "ok"]))
    #expect(await oracle.get("/ready").status == 503)
    try await oracle.withServer { address in
      for path in ["/ready", "/health"] {
        let status = try await fetch(address.url + path).status
        #expect(status == 200)
      }
    }
    #expect(await oracle.get("/ready").status == 503)
  }

  @Test("What the oracle holds can be read over HTTP")
  func reads() async throws {
    let oracle = MockOracle()
    let key = try testKey()
    _ = await oracle.post(try signedReport(by: key, tokens: 77))
    let path = "/api/v1/agents/\(key.address.lowercaseHex)"
    let agent = await oracle.get(path)
    #expect(agent.status == 200)
    #expect(agent.body?["agent"] == .string(key.address.checksummed))
    #expect(agent.body?["processed_tokens"] == 77)
    #expect(await oracle.get("/api/v1/agents").body?["count"] == 1)
    #expect(await oracle.get(path + "/reports").body?["reports"]?.arrayValue?.count == 1)
    #expect(await oracle.get(path + "/proofs").body?["proofs"] == [])
    #expect(await oracle.get("/api/v1/agents/0x12").status == 404)
    #expect(await oracle.get("/api/v1/agents/\(Address.zero)").status == 404)
  }
}

@Suite("Doubled prefixes", .timeLimit(.minutes(5))) struct DoubledPrefixTests {
  private static let hashes = ["modelHash", "inputHash", "outputHash", "proofHash"]

  private func proof(of key: SecretKey, doubling names: [String]) -> JSON {
    var proof = validProof(of: key.address.checksummed)
    for name in names { proof[name] = .string("0x" + (proof[name]?.stringValue ?? "")) }
    return .object(proof)
  }

  @Test("A proof whose hashes begin with 0x0x is kept as it came, noted, and its report counts")
  func kept() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "o.sqlite").path
      let key = try testKey()
      for names in [Self.hashes, ["proofHash"], ["inputHash"]] {
        let file = path + names.joined()
        let report = try signedReport(by: key) { $0["proofs"] = [proof(of: key, doubling: names)] }
        do {
          let oracle = MockOracle(OracleConfiguration(log: try SQLiteReportLog(path: file)))
          #expect(await oracle.post(report).status == 200)
          let entry = try await oracle.journal.next(from: key.address)
          #expect(entry.notes.count == 1)
          #expect(
            entry.notes.first?.hasPrefix("\(names.count) hashes of proofs begin with 0x0x") == true)
          #expect(oracle.agent(key.address)?.proofCount == 1)
        }
        let oracle = MockOracle(
          OracleConfiguration(log: try SQLiteReportLog(path: file, lockTimeout: .seconds(60))))
        let held = try #require(oracle.proofs(of: key.address).first)
        let original = validProof(of: key.address.checksummed)
        for (name, text) in [
          ("modelHash", held.modelHash), ("inputHash", held.inputHash),
          ("outputHash", held.outputHash),
        ] {
          let plain = original[name]?.stringValue ?? ""
          #expect(text == (names.contains(name) ? "0x" : "") + plain)
        }
      }
    }
  }

  @Test("The notes stand in the administration's journal, and a proof without a fault has none")
  func administration() async throws {
    let oracle = MockOracle()
    let key = try testKey()
    for (offset, names) in [[], Self.hashes].enumerated() {
      let report = try signedReport(by: key, timestamp: 10 + Int64(offset)) {
        $0["proofs"] = [proof(of: key, doubling: names)]
      }
      #expect(await oracle.post(report).status == 200)
    }
    let answer = await oracle.administer(WebRequest(.get, "/journal"), FaultScript())
    let entries = try JSON.parse(answer.body)["entries"]?.arrayValue ?? []
    #expect(entries.map { $0["notes"]?.arrayValue?.count } == [nil, 1])
  }

  @Test(
    "A malformed hash behind its prefixes is refused; the deployed dialect refuses any doubling"
  )
  func refused() async throws {
    let key = try testKey()
    for text in ["0x0x", "0x0x12", "0x0x0x" + String(repeating: "1", count: 64), "0X0x1"] {
      let report = try signedReport(by: key) {
        var proof = validProof(of: key.address.checksummed)
        proof["inputHash"] = .string(text)
        $0["proofs"] = [.object(proof)]
      }
      let answer = await MockOracle().post(report)
      #expect(answer.status == 422)
      #expect(answer.message?.contains("payload.proofs.0.inputHash must be a hash") == true)
    }
    let deployed = try deployedReport(by: key) {
      let hash = JSON.string("0x0x" + String(repeating: "1", count: 64))
      $0["proofs"] = [["modelHash": hash, "inputHash": hash, "outputHash": hash, "tokenCount": 1]]
    }
    let answer = await MockOracle.deployed().post(deployed, to: ReportDialect.deployed.path)
    #expect(answer.status == 400)
  }
}
