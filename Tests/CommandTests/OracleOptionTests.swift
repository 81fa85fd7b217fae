import EthereumPrimitives
import Foundation
import MockServing
import PlumiseWire
import Subprocess
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
      #expect(try await fetch(url + "/faults", "POST", body: [:]).status == 404)
      let order: JSON = ["fault": "status", "status": 503, "route": "/health", "times": 2]
      #expect(try await fetch(admin + "/faults", "POST", body: order).status == 201)
      for expected in [503, 503, 200] {
        #expect(try await fetch(url + "/health").status == expected)
      }
      #expect(try await fetch(admin + "/faults").body?["met"] == 2)
    }
  }

  @Test("The journal's filters are refused by name where they make no sense")
  func journal() async throws {
    _ = try await withOracle(["--admin-port", "0"]) { url, service in
      let admin = try await adminURL(service)
      let key = SecretKey.random()
      let body = try report(by: key, timestamp: 10)
      #expect(try await fetch(url + DocumentedReport.path, "POST", body: body).status == 200)
      let held = try await fetch(admin + "/journal?agent=\(key.address)&limit=1")
      #expect(held.body?["entries"]?.arrayValue?.count == 1)
      for (query, member) in [("agent=0x12", "agent"), ("agent=", "agent"), ("limit=x", "limit")] {
        let answer = try await fetch(admin + "/journal?" + query)
        #expect(answer.status == 400, "\(query)")
        #expect(answer.body?["error"]?.stringValue?.hasPrefix(member + " ") == true, "\(query)")
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
      #expect(try await fetch(admin + "/faults", "POST", body: order).status == 201)
      let same = FaultScript(seed: 99)
      same.add(.status(500), times: nil, likelihood: 0.5)
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
        let answer = try await fetch(path, "POST", body: body)
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
        let answer = try await fetch(url + DocumentedReport.path, "POST", body: body)
        #expect(answer.status == status)
      }
    }
    let lines = try result.errors.split(separator: "\n").map { try JSON.parse(Array($0.utf8)) }
    #expect(lines.count == (level == "info" ? 2 : 1), "\(result.errors)")
    let text = result.errors.split(separator: "\n").last ?? ""
    #expect(text.contains(key.address.checksummed) && text.contains("replay"))
  }
}
