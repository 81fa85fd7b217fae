import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Route table of the oracle", .timeLimit(.minutes(5))) struct OracleRouteTests {
  private static let dialects: [Set<ReportDialect>] = [
    [.documented], [.deployed], Set(ReportDialect.allCases),
  ]

  /// A method and a path template.
  private struct Entry: Hashable {
    let method: String
    let template: String
  }

  private func table(of dialects: Set<ReportDialect>) throws -> [Entry] {
    let entries = MockOracle.routes(of: dialects).map {
      Entry(method: $0.method.rawValue, template: $0.template)
    }
    try #require(entries.count > 8 && Set(entries).count == entries.count)
    return entries
  }

  private func oracle(_ dialects: Set<ReportDialect>) -> MockOracle {
    MockOracle(
      OracleConfiguration(dialects: dialects, unixClock: TestTime(1_770_200_000).clock))
  }

  /// A path of a template: "nobody" in place of each parameter.
  private func path(of template: String) -> String {
    template.split(separator: "/").map { "/" + ($0.hasPrefix("{") ? "nobody" : $0) }.joined()
  }

  /// Whether a path without empty segments is one of a template's.
  private func has(_ template: String, _ path: String) -> Bool {
    let (own, asked) = (template.split(separator: "/"), path.split(separator: "/"))
    return own.count == asked.count && zip(own, asked).allSatisfy { $0 == $1 || $0.hasPrefix("{") }
  }

  private func send(
    _ method: String, _ path: String, to oracle: MockOracle
  ) async throws
    -> OracleEntry
  {
    let method = try #require(HTTPRequest.Method(rawValue: method))
    _ = await oracle.respond(to: WebRequest(method, path, body: Array("{}".utf8)))
    return try #require(oracle.journal.entries.last)
  }

  /// The routes and methods that requests were counted under.
  private func counted(by oracle: MockOracle) async -> Set<Entry> {
    let text = await oracle.respond(to: WebRequest(.get, "/metrics")).body
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
      .filter { $0.hasPrefix("oracle_requests_total{") }
    return Set(
      lines.map { line in
        let values = line.split(separator: "\"", omittingEmptySubsequences: false)
        return Entry(method: String(values[3]), template: String(values[1]))
      })
  }

  @Test(
    "Every entry is dispatched, described and counted under its template", arguments: dialects)
  func entries(dialects: Set<ReportDialect>) async throws {
    let paths = OpenAPI.description(of: dialects)["paths"]
    for entry in try table(of: dialects) {
      let oracle = oracle(dialects)
      let answered = try await send(entry.method, path(of: entry.template), to: oracle)
      #expect(answered.outcome != .unknownRoute, "\(entry)")
      let operation = paths?[entry.template]?[entry.method.lowercased()]
      #expect(operation?["responses"]?[String(answered.status)] != nil, "\(entry)")
      #expect(operation?["tags"]?.arrayValue == answered.dialect.map { [.string($0.rawValue)] })
      #expect(await counted(by: oracle) == [entry])
    }
  }

  @Test("What is described is what the table has, and no more", arguments: dialects)
  func described(dialects: Set<ReportDialect>) throws {
    let members = OpenAPI.description(of: dialects)["paths"]?.objectValue?.members ?? []
    let described = members.flatMap { member in
      (member.value.objectValue?.keys ?? []).map {
        Entry(method: $0.uppercased(), template: member.key)
      }
    }
    #expect(Set(described) == Set(try table(of: dialects)))
  }

  @Test(
    "What the table lacks is dispatched nowhere, and counted under no name of its own",
    arguments: dialects)
  func others(dialects: Set<ReportDialect>) async throws {
    let table = try table(of: dialects)
    let oracle = oracle(dialects)
    var unknown = 0
    // Every path of either dialect with every method, and paths beside them.
    for template in Set(try self.table(of: Set(ReportDialect.allCases)).map(\.template)) {
      for path in [path(of: template), path(of: template) + "/x/y/z", "/x" + path(of: template)] {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
          let known = table.contains { $0.method == method && has($0.template, path) }
          let answered = try await send(method, path, to: oracle)
          #expect((answered.outcome != .unknownRoute) == known, "\(method) \(path)")
          #expect(known || [404, 405].contains(answered.status), "\(method) \(path)")
          unknown += known ? 0 : 1
        }
      }
    }
    try #require(unknown > 100)
    let routes = Set(await counted(by: oracle).map(\.template))
    #expect(routes == Set(table.map(\.template)).union(["none"]))
  }

  @Test(
    "A documented collection's empty segments do not count; of a deployed path only one at the end")
  func emptySegments() async throws {
    for (path, template) in [
      ("/api/nodes/", "/api/nodes"), ("/api/v1/agents//", "/api/v1/agents"),
      ("/api/nodes//", "none"), ("/api/v1/proofs//nobody/stats/", "none"),
      ("/api/v1/proofs/nobody/stats/", "/api/v1/proofs/{address}/stats"), ("/health/", "none"),
      ("//health", "none"), ("/api/v1/pipeline/topology/", "/api/v1/pipeline/topology"),
    ] {
      let oracle = oracle(Set(ReportDialect.allCases))
      let answered = try await send("GET", path, to: oracle)
      #expect((answered.outcome == .unknownRoute) == (template == "none"), "\(path)")
      #expect(await counted(by: oracle).map(\.template) == [template], "\(path)")
    }
  }
}
