import MockServing
import PlumiseWire
import Testing

@Suite("Load", .timeLimit(.minutes(5)))
struct LoadTests {
  private static func load(_ url: String, _ more: String...) async throws -> Command.Result {
    try await Command.run(
      ["load", "--target", url, "--rate", "200", "--duration", "0.5", "--json"] + more)
  }

  private static let services: [[String]] = [
    ["chain", "--port", "0", "--json"],
    ["oracle", "--port", "0", "--dialect", "documented", "--json"],
    ["oracle", "--port", "0", "--dialect", "deployed", "--json"],
  ]

  @Test("Every request that is due is sent, answered and measured", arguments: services)
  func steady(_ arguments: [String]) async throws {
    _ = try await Command.withService(arguments) { service in
      let result = try await Self.load(try await service.url())
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try result.json()
      #expect(report["sent"] == 100 && report["succeeded"] == 100)
      #expect(report["failures"] == [])
      let latency = try #require(report["latency_ms"])
      let median = try #require(latency["p50"]?.doubleValue)
      let most = try #require(latency["max"]?.doubleValue)
      #expect(median > 0 && median <= most)
      try service.send(.terminate)
    }
  }

  @Test("A node generates under load")
  func node() async throws {
    let arguments = [
      "node", "--model", ServiceTests.model, "--blocks", "0-23", "--port", "0", "--http-port", "0",
      "--json",
    ]
    _ = try await Command.withService(arguments) { service in
      let event = try await service.lines.next { $0.contains("node-http") }
      let url = try #require(try JSON.parse(event)["url"]?.stringValue)
      let result = try await Command.run(
        "load", "--target", url, "--rate", "10", "--duration", "0.5", "--json")
      #expect(result.status == .exited(0), "\(result.errors)")
      #expect(try result.json()["succeeded"] == 5)
      try service.send(.terminate)
    }
  }

  @Test("Requests that fail are counted by their reason, and the exit status says so")
  func failures() async throws {
    let faults = FaultScript()
    faults.add(.status(503), times: nil) { $0.body.count > 2 }
    try await withWebServer(
      faults: faults,
      respond: { request in
        WebResponse(status: request.path == "/api/v1/report" ? .badRequest : .notFound)
      }
    ) { address in
      let result = try await Self.load(address.url)
      #expect(result.status == .exited(1))
      let report = try result.json()
      #expect(report["succeeded"] == 0)
      #expect(report["failures"] == [["reason": "status 503", "count": 100]])
    }
  }

  @Test("A chain whose accounts have sent more than can be counted on is no chain to load")
  func impossibleNonce() async throws {
    try await withWebServer(
      respond: { request in
        let method = (try? JSON.parse(request.body))?["method"]?.stringValue
        let result: JSON = method == "eth_chainId" ? "0xa3e4" : "0xffffffffffffffff"
        let answer: JSON = ["jsonrpc": "2.0", "id": 1, "result": result]
        return .json(answer.serialized())
      }
    ) { address in
      let result = try await Self.load(address.url)
      #expect(result.status == .exited(1))
      #expect(result.errors.contains("at most 9223372036854775807"), "\(result.errors)")
    }
  }

  @Test("What is no service of ours is refused, and nobody there is a failure")
  func noService() async throws {
    try await withWebServer(respond: { _ in WebResponse(status: .notFound) }) { address in
      try await Self.load(address.url).expectRefusal(address.url)
    }
    try await withClosedPort { address in
      let result = try await Self.load(address.url)
      #expect(result.status == .exited(1))
      #expect(result.errors.contains(address.url), "\(result.errors)")
    }
    try await Self.load("ftp://127.0.0.1").expectRefusal("--target")
    try await Self.load("http://127.0.0.1", "--rate", "0").expectRefusal("--rate")
  }
}
