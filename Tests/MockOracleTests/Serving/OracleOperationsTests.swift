import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Oracle operations", .timeLimit(.minutes(5))) struct OracleOperationsTests {
  @Test("An agent that reports too often is told when to come again; others are not held up")
  func rateLimit() async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle(
      OracleConfiguration(
        dialects: [.documented, .deployed], unixClock: time.clock,
        rateLimit: RateLimit(burst: 2, per: .seconds(60))))
    let key = try testKey()
    func report(_ offset: Int64, by key: SecretKey) async throws -> WebResponse {
      await oracle.respond(
        to: WebRequest(
          .post, ReportDialect.documented.path,
          body: try signedReport(by: key, timestamp: time.seconds + offset).serialized()))
    }
    #expect(try await report(0, by: key).status == .ok)
    #expect(try await report(1, by: key).status == .ok)
    let refused = try await report(2, by: key)
    #expect(refused.status == .tooManyRequests && refused.headers[.retryAfter] == "30")
    #expect(try await report(2, by: testKey(2)).status == .ok)
    // Whoever has not signed takes nothing from the agent's share.
    time.seconds += 30
    let forged = try signedReport(by: testKey(3), timestamp: time.seconds) {
      $0["agent"] = .string(key.address.checksummed)
    }
    #expect(await oracle.post(forged).status == 401)
    #expect(try await report(3, by: key).status == .ok)
    let deployed = try deployedReport(by: key, timestamp: time.seconds + 9)
    #expect(
      await oracle.post(deployed, to: ReportDialect.deployed.path)
        == Answer(
          status: 429,
          body: ["statusCode": 429, "message": "ThrottlerException: Too Many Requests"]))
  }

  @Test("Half the time that a report takes to be allowed again allows none")
  func halfAToken() async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle(
      OracleConfiguration(
        unixClock: time.clock, rateLimit: RateLimit(burst: 1, per: .seconds(60))))
    let start = time.seconds
    // Refusals take nothing: after 60 s the next one is allowed, however often it was tried.
    for (second, status) in [(0, 200), (15, 429), (30, 429), (59, 429), (60, 200)] {
      time.seconds = start + Int64(second)
      let report = try signedReport(by: testKey(), timestamp: time.seconds)
      #expect(await oracle.post(report).status == status, "after \(second) s")
    }
  }

  @Test("The metrics count requests by route, reports by dialect and refusals by reason")
  func metrics() async throws {
    let oracle = MockOracle(OracleConfiguration(unixClock: TestTime(1_770_200_000).clock))
    let report = try signedReport(by: testKey())
    for _ in 0..<3 { _ = await oracle.post(report) }
    for path in ["/a", "/b", "/api/v1/agents/0x12"] { _ = await oracle.get(path) }
    let response = await oracle.respond(to: WebRequest(.get, "/metrics"))
    #expect(response.headers[.contentType]?.hasPrefix("text/plain; version=0.0.4") == true)
    let lines = String(decoding: response.body, as: UTF8.self).split(separator: "\n")
    for line in [
      #"oracle_requests_total{route="/api/v1/report",method="POST",status="200"} 1"#,
      #"oracle_requests_total{route="/api/v1/report",method="POST",status="409"} 2"#,
      #"oracle_requests_total{route="none",method="any",status="404"} 2"#,
      #"oracle_requests_total{route="/api/v1/agents/{agent}",method="GET",status="404"} 1"#,
      #"oracle_reports_accepted_total{dialect="documented"} 1"#,
      #"oracle_refusals_total{reason="replay"} 2"#, "oracle_agents 1",
      "oracle_request_seconds_count 6",
    ] {
      #expect(lines.contains { $0 == line }, "\(line)")
    }
  }

  @Test("Every described route is answered, and the description is what is served")
  func description() async throws {
    for dialects in [[.documented], [.deployed], [.documented, .deployed]]
      as [Set<ReportDialect>]
    {
      let oracle = MockOracle(OracleConfiguration(dialects: dialects))
      let served = await oracle.get("/openapi.json").body
      #expect(served == OpenAPI.description(of: dialects))
      let paths = try #require(served?["paths"]?.objectValue)
      #expect(paths.count >= (dialects == [.documented] ? 8 : 18))
      for member in paths.members {
        let path = member.key.replacing("{agent}", with: "nobody")
          .replacing("{address}", with: "nobody")
        for method in member.value.objectValue?.keys ?? [] {
          let request = WebRequest(method == "get" ? .get : .post, path, body: Array("{}".utf8))
          let status = await oracle.respond(to: request).status.code
          let answers = member.value[method]?["responses"]?.objectValue?.keys ?? []
          #expect(answers.contains(String(status)), "\(method) \(path) gave \(status)")
        }
      }
    }
  }

  @Test("The description holds the rules that bodies are checked by")
  func rules() throws {
    let description = OpenAPI.description(of: [.documented, .deployed])
    let report = description["paths"]?["/api/v1/report"]?["post"]?["requestBody"]?["content"]?[
      "application/json"]?["schema"]
    #expect(
      report?["properties"]?["payload"]?["required"]
        == [
          "agent", "processed_tokens", "avg_latency_ms", "uptime_seconds", "tasks_completed",
          "timestamp",
        ])
    let deployed = description["paths"]?["/api/v1/metrics/report"]?["post"]?["requestBody"]?[
      "content"]?["application/json"]?["schema"]
    #expect(deployed?["additionalProperties"] == false)
    #expect(deployed?["properties"]?["wallet"]?["pattern"] == "^0x[0-9a-fA-F]{40}$")
  }

  @Test("A documented path that is asked for in a wrong way says which is right")
  func wrongMethods() async {
    let oracle = MockOracle()
    for (method, path, allowed) in [
      (HTTPRequest.Method.put, "/api/v1/report", "POST"), (.post, "/health", "GET"),
      (.delete, "/api/v1/agents/0x12/proofs", "GET"),
    ] {
      let response = await oracle.respond(to: WebRequest(method, path))
      #expect(response.status == .methodNotAllowed && response.headers[.allow] == allowed)
    }
  }
}
