import EthereumPrimitives
import Foundation
import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Node registry", .timeLimit(.minutes(5))) struct NodeRegistryTests {
  private let path = NodeRegistration.path

  private func error(_ status: Int, _ name: String, _ message: String) -> Answer {
    Answer(
      status: status,
      body: ["message": .string(message), "error": .string(name), "statusCode": .integer(status)])
  }

  @Test("A node registers, is listed with what it can do, and is found by its address")
  func registers() async throws {
    let oracle = MockOracle.deployed()
    let key = try testKey()
    #expect(
      await oracle.post(nodeRegistration(by: key), to: path)
        == Answer(
          status: 201, body: ["success": true, "message": "Node registered successfully"]))
    let listed: JSON = [
      "address": .string(key.address.lowercaseHex), "endpoint": "http://10.0.0.1:31330",
      "status": "active", "score": 0, "lastHeartbeat": "1770200000",
      "capabilities": ["inference", "gpu"],
    ]
    #expect(
      await oracle.get("/api/nodes")
        == Answer(status: 200, body: ["count": 1, "nodes": [listed]]))
    let found = await oracle.get("/api/nodes/\(key.address.checksummed)").body
    #expect(found?["endpoint"] == "http://10.0.0.1:31330" && found?["status"] == "active")
    #expect(oracle.journal.entries.first?.registered?.kind == .node)
  }

  @Test("A node is active for ten minutes after it was seen, and no second longer")
  func activity() async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle.deployed(at: time)
    let key = try testKey()
    #expect(await oracle.post(nodeRegistration(by: key), to: path).status == 201)
    time.seconds += 599
    #expect(oracle.activeNodes.map(\.address) == [key.address])
    time.seconds += 1
    #expect(oracle.activeNodes.isEmpty)
    let found = await oracle.get("/api/nodes/\(key.address)").body
    #expect(found?["status"] == "inactive")
    // A report brings it back.
    let report = try deployedReport(by: key, timestamp: time.seconds)
    #expect(await oracle.post(report, to: ReportDialect.deployed.path).status == 201)
    #expect(oracle.activeNodes.map(\.lastMetricReport) == [time.seconds])
  }

  @Test("An agent that only reports is listed too, without a score before a contribution")
  func reporting() async throws {
    let oracle = MockOracle.deployed()
    let key = try testKey()
    let report = try deployedReport(by: key, requests: 50, latency: 200)
    #expect(await oracle.post(report, to: ReportDialect.deployed.path).status == 201)
    let node = await oracle.get("/api/nodes").body?["nodes"]?[0]
    #expect(node?["score"] == 0 && node?["endpoint"] == "")
    #expect(node?["capabilities"] == ["inference"])
  }

  @Test("A report that is refused as a replay has made its agent a node")
  func refusedReport() async throws {
    let oracle = MockOracle(
      OracleConfiguration(
        dialects: [.deployed], apiKey: "secret", unixClock: TestTime(1_770_200_000).clock))
    let key = try testKey()
    let name = try #require(HTTPField.Name("x-api-key"))
    let report = try deployedReport(by: key, timestamp: 0)
    let answer = await oracle.post(
      report.serialized(), to: DeployedReport.keyedPath, headers: [name: "secret"])
    #expect(answer.message == "Replay detected: timestamp must be strictly increasing")
    #expect(oracle.activeNodes.map(\.address) == [key.address])
    #expect(oracle.agents.isEmpty)
  }

  @Test("Signature, replay, registration: each is refused in the deployed oracle's words")
  func refusals() async throws {
    let oracle = MockOracle.deployed()
    let key = try testKey()
    let forged = nodeRegistration(by: key) { $0["endpoint"] = "http://10.0.0.2:31330" }
    #expect(await oracle.post(forged, to: path) == error(401, "Unauthorized", "Invalid signature"))
    let stale = nodeRegistration(by: key, timestamp: 1_770_199_939)
    #expect(await oracle.post(stale, to: path) == error(401, "Unauthorized", "Invalid signature"))
    #expect(await oracle.post(nodeRegistration(by: key), to: path).status == 201)
    #expect(
      await oracle.post(nodeRegistration(by: key), to: path)
        == error(400, "Bad Request", "Replay detected: timestamp must be strictly increasing"))
    let strict = MockOracle.deployed(registration: RegistrationCheck { _ in false })
    #expect(
      await strict.post(nodeRegistration(by: key), to: path)
        == error(400, "Bad Request", "Address not registered as agent on-chain"))
  }

  @Test("Fields that are not signed are taken; unknown ones are refused first")
  func extras() async throws {
    let oracle = MockOracle.deployed()
    let extras: JSONObject = [
      "benchmarkTokPerSec": 12, "lanIp": "10.0.0.1", "canDistribute": true,
    ]
    let good = nodeRegistration(by: try testKey(), extras: extras)
    #expect(await oracle.post(good, to: path).status == 201)
    let bad = nodeRegistration(by: try testKey(2)) { body in
      body["x"] = 1
      body["endpoint"] = "localhost"
      body["capabilities"] = [1]
      body["benchmarkTokPerSec"] = "1"
      body["canDistribute"] = "yes"
    }
    #expect(
      await oracle.post(bad, to: path).messages == [
        "property x should not exist", "endpoint must be a URL address",
        "each value in capabilities must be a string",
        "benchmarkTokPerSec must not be less than 0",
        "benchmarkTokPerSec must be a number conforming to the specified constraints",
      ])
    let missing = await oracle.post([:], to: path).messages
    #expect(
      missing == [
        "address must be an Ethereum address", "endpoint must be a URL address",
        "each value in capabilities must be a string", "capabilities must be an array",
        "timestamp must not be less than 0",
        "timestamp must be a number conforming to the specified constraints",
        "signature must be a string",
      ])
  }

  @Test(
    "What counts as a URL",
    arguments: [
      ("http://10.0.0.1:31330", true), ("https://node.example.org", true),
      ("http://user:word@node.example.org:80/a?b#c", true), ("http://[::1]:31330", true),
      ("ftp://node.example.org", true), ("http://localhost:31330", false),
      ("grpc://10.0.0.1:50051", false), ("10.0.0.1:31330", false), ("http://", false),
      ("http://10.0.0.1:0", false), ("http://10.0.0.1:65536", false), ("http://a b.org", false),
      ("http://\u{2605}.com", true), ("http://[1::2::3]", false),
      ("http://[1:2:3:4:5:6:7:8:9]", false),
      ("http://[1::2%eth0]:80", true), ("http://[::1.2.3.4]", true), ("http://[::1]:", false),
      ("http://a.org:", true), ("http://a.org:00080", true), ("http://xn--bcher-kva.de", true),
      ("http://a.b1", false), ("http://a_b.org", false), ("http://:p@a.org", true),
      ("http://-a.org", false), ("http://256.0.0.1", false), ("http://a.b:c:d.org", false),
    ])
  func urls(text: String, isURL: Bool) async throws {
    let body = nodeRegistration(by: try testKey()) { $0["endpoint"] = .string(text) }
    let messages = await MockOracle.deployed().post(body, to: path).messages ?? []
    #expect(messages.contains("endpoint must be a URL address") != isURL)
  }

  @Test("A missing node is a bad request, a missing agent is not found")
  func missing() async throws {
    let oracle = MockOracle.deployed()
    let address = try testKey().address
    #expect(
      await oracle.get("/api/nodes/\(address)") == error(400, "Bad Request", "Node not found"))
    #expect(
      await oracle.get("/api/nodes/nobody") == error(400, "Bad Request", "Invalid address"))
    #expect(
      await oracle.get("/api/agents/\(address)") == error(404, "Not Found", "Agent not found"))
  }

  @Test("Registrations survive a restart, and so do replay guards but in the profile faithful")
  func restarts() async throws {
    for profile in OracleProfile.allCases { try await restart(profile) }
  }

  private func restart(_ profile: OracleProfile) async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "oracle.sqlite").path
      let (first, second) = (try testKey(1), try testKey(2))
      for life in 0..<2 {
        let oracle = MockOracle.deployed(
          profile: profile, log: try SQLiteReportLog(path: file, profile: profile))
        let statuses = [
          await oracle.post(nodeRegistration(by: first), to: path).status,
          await oracle.post(pipelineRegistration(by: second), to: PipelineRegistration.path).status,
          await oracle.post(pipelineReady(by: second), to: PipelineReady.path).status,
        ]
        let isNew = life == 0 || profile == .faithful
        #expect(statuses == Array(repeating: isNew ? 201 : 400, count: 3))
        #expect(oracle.topology(of: PlumiseNetwork.model).map(\.ready) == [true])
        #expect(Set(oracle.activeNodes.map(\.address)) == [first.address, second.address])
      }
    }
  }
}
