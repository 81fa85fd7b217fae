import EthereumPrimitives
import Foundation
import HTTPTypes
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("Oracle options", .timeLimit(.minutes(5)))
struct OracleOptionTests {
  /// Runs an oracle with some options while a body runs with its URL and, when there is one, that
  /// of its administration.
  private func withOracle(
    _ options: [String], _ body: @Sendable (_ url: String, Service) async throws -> Void
  ) async throws -> Command.Result {
    let result = try await Command.withService(["oracle", "--port", "0", "--json"] + options) {
      try await body(try await $0.url(), $0)
      try $0.send(.terminate)
    }
    #expect(result.status == .exited(0))
    return result
  }

  private func adminURL(_ service: Service) async throws -> String {
    let line = try await service.lines.next { $0.contains("\"oracle-admin\"") }
    return try #require(JSON.parse(line)["url"]?.stringValue)
  }

  private func report(by key: SecretKey, timestamp: Int64) throws -> JSON {
    try DocumentedReport.Payload(
      agent: key.address, processedTokens: 5, averageLatencyMilliseconds: 1, uptimeSeconds: 1,
      tasksCompleted: 1, timestamp: timestamp
    ).signed(with: key).body
  }

  @Test("--admin-port takes orders for faults, which the other port does not")
  func administration() async throws {
    _ = try await withOracle(["--admin-port", "0"]) { url, service in
      let admin = try await adminURL(service)
      #expect(try await fetch(url + "/faults", "POST", json: [:]).status == 404)
      let order: JSON = ["fault": "status", "status": 503, "route": "/health", "times": 2]
      #expect(try await fetch(admin + "/faults", "POST", json: order).status == 201)
      for expected in [503, 503, 200] {
        #expect(try await fetch(url + "/health").status == expected)
      }
      #expect(try await fetch(admin + "/faults").json["met"] == 2)
    }
  }

  @Test("The journal's filters are refused by name where they make no sense")
  func journal() async throws {
    _ = try await withOracle(["--admin-port", "0"]) { url, service in
      let admin = try await adminURL(service)
      let key = SecretKey.random()
      let body = try report(by: key, timestamp: 10)
      #expect(try await fetch(url + DocumentedReport.path, "POST", json: body).status == 200)
      let held = try await fetch(admin + "/journal?agent=\(key.address)&limit=1")
      #expect(try held.json["entries"]?.arrayValue?.count == 1)
      for (query, member) in [("agent=0x12", "agent"), ("agent=", "agent"), ("limit=x", "limit")] {
        let answer = try await fetch(admin + "/journal?" + query)
        #expect(answer.status == 400, "\(query)")
        #expect(try answer.json["error"]?.stringValue?.hasPrefix(member + " ") == true, "\(query)")
      }
    }
  }

  @Test("--fault-seed decides which requests meet a likely fault")
  func faultSeed() async throws {
    _ = try await withOracle(["--admin-port", "0", "--fault-seed", "99"]) { url, service in
      let order: JSON = [
        "fault": "status", "status": 500, "times": nil,
        "likelihood": .number(JSONNumber(javaScript: 0.5)),
      ]
      let admin = try await adminURL(service)
      #expect(try await fetch(admin + "/faults", "POST", json: order).status == 201)
      let same = FaultScript(seed: 99)
      same.add(.status(500), count: nil, probability: 0.5)
      var (met, expected) = ("", "")
      for _ in 0..<24 {
        met += try await fetch(url + "/health").status == 500 ? "x" : "."
        expected += same.take(for: WebRequest(.get, "/health")) == nil ? "." : "x"
      }
      #expect(met == expected && met.contains("x") && met.contains("."))
    }
  }

  @Test("--reports-per-minute tells an agent when to come again, and others are taken")
  func rate() async throws {
    _ = try await withOracle(["--reports-per-minute", "1"]) { url, _ in
      let (key, other) = (SecretKey.random(), SecretKey.random())
      let path = url + DocumentedReport.path
      for (reporter, timestamp, status) in [(key, 10, 200), (key, 11, 429), (other, 10, 200)]
        as [(SecretKey, Int64, Int)]
      {
        let body = try report(by: reporter, timestamp: timestamp)
        let answer = try await fetch(path, "POST", json: body)
        #expect(answer.status == status)
        if status == 429 {
          let seconds = try #require(answer.retryAfter.flatMap { Int($0) })
          #expect((1...60).contains(seconds))
        }
      }
    }
  }

  @Test("--log writes one JSON object a line, from its level on", arguments: ["info", "notice"])
  func log(level: String) async throws {
    let key = SecretKey.random()
    let result = try await withOracle(["--log", level]) { url, _ in
      let body = try report(by: key, timestamp: 10)
      for status in [200, 409] {
        let answer = try await fetch(url + DocumentedReport.path, "POST", json: body)
        #expect(answer.status == status)
      }
    }
    let lines = try result.errors.split(separator: "\n").map { try JSON.parse(Array($0.utf8)) }
    #expect(lines.count == (level == "info" ? 2 : 1), "\(result.errors)")
    let text = result.errors.split(separator: "\n").last ?? ""
    #expect(text.contains(key.address.checksummed) && text.contains("replay"))
  }
}

@Suite("Oracle stores", .timeLimit(.minutes(5))) struct OracleStoreTests {
  private func command(_ path: String) -> [String] {
    ["oracle", "--port", "0", "--json", "--store", path]
  }

  /// Makes a store, as a file that nobody has.
  private func makeStore(_ path: String) async throws {
    let result = try await Command.withService(command(path)) { service in
      _ = try await service.url()
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0))
  }

  @Test("A second oracle on a store exits 2 and names the file and the process that has it")
  func second() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.file("o.sqlite")
      let command = command(path)
      // The second life begins at once: the system frees what a killed process had.
      for _ in 0..<2 {
        _ = try await Command.withService(command) { service in
          let url = try await service.url()
          let other = try await Command.run(command)
          #if os(Linux)
            other.expectRefusal(path, "process \(service.processID) (petals-e2e)", "in use")
          #else
            other.expectRefusal(path, "another process", "in use")
          #endif
          #expect(try await fetch(url + "/health").status == 200)
          try service.send(.kill)
        }
      }
      try await makeStore(path)
    }
  }

  @Test("A file that is no store of this version exits 2 with what it is, and nothing is written")
  func refused() async throws {
    try await withTemporaryFolder { folder in
      let store = folder.file("o.sqlite")
      try await makeStore(store)
      let bytes = try Data(contentsOf: URL(filePath: store))
      /// The store with four bytes of its head changed.
      func changed(at offset: Int, to value: UInt8) -> Data {
        var copy = bytes
        copy.replaceSubrange(offset..<offset + 4, with: [0, 0, 0, value])
        return copy
      }
      let cases: [(Data, Int, [String])] = [
        (Data("no database at all".utf8), 0o600, ["no SQLite database"]),
        (changed(at: 68, to: 9), 0o600, ["another program", "application id 0x9"]),
        (changed(at: 60, to: 99), 0o600, ["newer version", "99"]),
        (bytes, 0o444, ["may not be written"]),
      ]
      for (index, (contents, mode, words)) in cases.enumerated() {
        let path = try folder.write("\(index)", contents, mode: mode)
        let before = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        let result = try await Command.run(command(path))
        result.expectRefusal(path)
        for word in words { result.expectRefusal(word) }
        #expect(try Data(contentsOf: URL(filePath: path)) == contents)
        let after = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(Set(after) == Set(before))
      }
    }
  }
}

/// An agent that reports to an oracle that may be gone at any moment.
private actor CrashAgent {
  let key = SecretKey.random()
  private var timestamp: Int64 = 1_770_000_000
  private(set) var acknowledged: [(timestamp: Int64, body: [UInt8])] = []

  /// Reports until no answer comes.
  func report(to url: String, noting taken: Journal<Int64>) async {
    while true {
      timestamp += 1
      do {
        let body = try body()
        guard try await Self.post(body, to: url) == 200 else { return }
        acknowledged.append((timestamp, body))
        taken.record(timestamp)
      } catch {
        // The oracle was killed: what was on its way counts for nothing.
        return
      }
    }
  }

  private func body() throws -> [UInt8] {
    let proof = InferenceProof(
      model: "m", input: "\(timestamp)", output: "o", agent: key.address, tokenCount: 1)
    return try DocumentedReport.Payload(
      agent: key.address, processedTokens: timestamp % 1_000_000, averageLatencyMilliseconds: 1,
      uptimeSeconds: 1, tasksCompleted: 1, timestamp: timestamp, proofs: [proof]
    ).signed(with: key).body.serialized()
  }

  static func post(_ body: [UInt8], to url: String) async throws -> Int {
    try await fetch(url + DocumentedReport.path, "POST", body: body).status
  }

  static func get(_ url: String) async throws -> JSON { try await fetch(url).json }
}

@Suite("Oracle crashes", .timeLimit(.minutes(5)))
struct OracleCrashTests {
  @Test("An oracle that is killed under load has every acknowledged report and takes no replay")
  func killed() async throws {
    let folder = URL.temporaryDirectory.appending(path: "crash-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let command = [
      "oracle", "--port", "0", "--json", "--store", folder.appending(path: "o.sqlite").path,
    ]
    let agents = (0..<4).map { _ in CrashAgent() }
    for life in 0..<4 {
      let taken = Journal<Int64>()
      _ = try await Command.withService(command) { service in
        let url = try await service.url()
        try await check(agents, at: url)
        try await withThrowingTaskGroup(of: Void.self) { group in
          for agent in agents { group.addTask { await agent.report(to: url, noting: taken) } }
          try await taken.wait(forCount: 10 + 17 * life)
          try service.send(.kill)
          try await group.waitForAll()
        }
      }
    }
    _ = try await Command.withService(command) { service in
      try await check(agents, at: try await service.url())
      try service.send(.terminate)
    }
    try FileManager.default.removeItem(at: folder)
  }

  private func check(_ agents: [CrashAgent], at url: String) async throws {
    for agent in agents {
      let acknowledged = await agent.acknowledged
      guard let last = acknowledged.last else { continue }
      let held = try await CrashAgent.get(
        url + "/api/v1/agents/\(agent.key.address)/reports")
      let kept = Set(
        held["reports"]?.arrayValue?.compactMap { $0["timestamp"]?.integerValue } ?? [])
      #expect(acknowledged.allSatisfy { kept.contains($0.timestamp) })
      #expect(try await CrashAgent.post(last.body, to: url) == 409)
      #expect(try await CrashAgent.post(acknowledged[0].body, to: url) == 409)
    }
  }
}
