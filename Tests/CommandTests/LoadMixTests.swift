import Foundation
import HTTPTypes
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("Load on several targets", .timeLimit(.minutes(5)))
struct LoadMixTests {
  private static func withChainAndOracle(
    _ body: @escaping @Sendable (_ chain: String, _ oracle: String) async throws -> Void
  ) async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { chain in
      let chainURL = try await chain.url()
      // It takes reports of registered agents alone.
      _ = try await Command.withService(
        ["oracle", "--port", "0", "--chain-rpc", chainURL, "--json"]
      ) { oracle in
        try await body(chainURL, try await oracle.url())
        try oracle.send(.terminate)
      }
      try chain.send(.terminate)
    }
  }

  /// The times of requests that a target's figures are made of.
  private func times(_ requests: [JSON], to url: String) -> [Double] {
    requests.filter { $0["target"]?.stringValue == url && $0["counted"] == true }
      .compactMap { $0["e2el_ms"]?.doubleValue }.sorted()
  }

  @Test("Each target gets its share at a rate, and has the figures of its own requests")
  func shares() async throws {
    try await withTemporaryFolder { folder in
      try await Self.withChainAndOracle { chain, oracle in
        let path = folder.file("requests.jsonl")
        let result = try await Command.run(
          "load", "--target", chain, "--target", oracle, "--mix", "chain=1,oracle=3", "--rate",
          "200", "--duration", "0.5", "--requests", path, "--report", folder.path, "--json")
        #expect(result.status == .exited(0), "\(result.errors)")
        let report = try result.json()
        let targets = try #require(report["targets"]?.arrayValue)
        #expect(targets.map { $0["kind"] } == ["chain", "oracle"])
        #expect(targets.map { $0["sent"] } == [25, 75])
        #expect(report["sent"] == 100 && report["succeeded"] == 100)
        let requests = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
          .map { try JSON.parse(String($0)) }
        for target in targets {
          let own = times(requests, to: try #require(target["target"]?.stringValue))
          #expect(target["e2el_ms"]?["max"]?.doubleValue == own.last)
          let rank = max(1, Int((0.9 * Double(own.count)).rounded(.up)))
          #expect(target["e2el_ms"]?["p90"]?.doubleValue == own[rank - 1])
        }
        let page = try String(contentsOfFile: folder.file("report.html"), encoding: .utf8)
        #expect(page.contains("By target") && page.contains(oracle))
      }
    }
  }

  @Test("Users go to the targets in turn, by their weights")
  func users() async throws {
    try await Self.withChainAndOracle { chain, oracle in
      let result = try await Command.run(
        "load", "--target", chain, "--target", oracle, "--mix", "chain=1,oracle=1", "--users", "2",
        "--duration", "0.3", "--json")
      #expect(result.status == .exited(0), "\(result.errors)")
      let counts = try #require(try result.json()["targets"]?.arrayValue)
        .compactMap { $0["sent"]?.integerValue }
      // One of them may have one more: the last turn.
      #expect(counts.count == 2 && abs(counts[0] - counts[1]) <= 1 && counts[0] > 1, "\(counts)")
    }
  }

  @Test("A weight for what no target is, and a load on nothing, are refused")
  func refusals() async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { chain in
      let url = try await chain.url()
      try await Command.run("load", "--target", url, "--mix", "oracle=1")
        .expectRefusal("--mix", "oracle")
      try await Command.run("load", "--target", url, "--network", "agents")
        .expectRefusal("--network", "--target")
      try chain.send(.terminate)
    }
    try await Command.run("load").expectRefusal("--target", "--network agents")
    try await Command.run("load", "--target", "http://127.0.0.1:9", "--watch")
      .expectRefusal("--network")
    try await Command.run(
      "load", "--target", "http://127.0.0.1:9", "--prompts", "f", "--prompt-tokens", "5"
    ).expectRefusal("--prompts")
  }

  @Test("A network of its own has traffic on every kind of target, and ends")
  func ownNetwork() async throws {
    try await withTemporaryFolder { folder in
      let events = folder.file("events.jsonl")
      let result = try await Command.run(
        "load", "--network", "agents", "--model", "tiny", "--rate", "40", "--duration", "1.5",
        "--tokens", "uniform:2-4", "--prompt-tokens", "lognormal:6,0.5", "--events", events,
        "--json")
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try result.json()
      let targets = try #require(report["targets"]?.arrayValue)
      #expect(targets.map { $0["kind"] } == ["chain", "oracle", "node", "gateway"])
      for target in targets { #expect(target["succeeded"] == 15, "\(target.text)") }
      #expect((report["tokens_per_second"]?.doubleValue ?? 0) > 0)
      // The page would show each target's seconds, and at the end what came after them.
      let lines = try String(contentsOfFile: events, encoding: .utf8).split(separator: "\n")
      let loads = try lines.map { try JSON.parse(String($0)) }.filter { $0["kind"] == "load" }
      #expect(Set(loads.map { $0["load"]?["target"] }).count == 4)
    }
  }

  @Test("Requests that are on their way when a load is interrupted are waited for")
  func interrupted() async throws {
    let (held, release) = (Journal<Int>(), Journal<Int>())
    try await withWebServer(
      respond: { request in
        guard request.path == "/api/v1/report" else { return WebResponse(status: .notFound) }
        if request.body.count > 2 {
          held.record(1)
          // The test waits for the signal first; its end would end this too.
          _ = try? await release.next()
        }
        return WebResponse()
      }
    ) { address in
      let result = try await Command.withService([
        "load", "--target", address.url, "--users", "2", "--duration", "3600", "--json",
      ]) { load in
        _ = try await held.wait(forCount: 2) { _ in true }
        try load.send(.interrupt)
        release.record(1)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try JSON.parse(result.output)
      #expect(report["sent"] == report["succeeded"] && report["sent"] != 0)
      #expect(report["failures"] == [])
    }
  }
}

@Suite("A service that stands still under load", .timeLimit(.minutes(5)))
struct LoadStallTests {
  @Test("A chain that is suspended for a second shows it in p99, and in a quarter of all requests")
  func suspended() async throws {
    // Its lines tell of the requests that have come.
    _ = try await Command.withService(["chain", "--port", "0", "--log", "calls"]) { chain in
      let line = try await chain.lines.next { $0.hasPrefix("listening on ") }
      let url = String(line.dropFirst("listening on ".count))
      async let load = Command.run(
        "load", "--target", url, "--rate", "100", "--duration", "4", "--json")
      _ = try await chain.lines.wait(forCount: 20) { $0.contains("eth_sendRawTransaction") }
      try chain.suspend()
      // For as long as another load takes, whose last request is due after a second.
      try await withWebServer(respond: { request in
        WebResponse(status: request.path == "/api/v1/report" ? .ok : .notFound)
      }) { other in
        let second = try await Command.run(
          "load", "--target", other.url, "--rate", "100", "--duration", "1.1", "--json")
        #expect(second.status == .exited(0), "\(second.errors)")
      }
      try chain.send(.resume)
      let result = try await load
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try result.json()
      #expect(report["sent"] == 400)
      let times = try #require(report["e2el_ms"])
      #expect(try #require(times["p99"]?.doubleValue) > 900)
      // Of 400 requests a hundred were due while it stood still; a client that waited has one.
      #expect(try #require(times["p90"]?.doubleValue) > 500)
      try chain.send(.terminate)
    }
  }
}
