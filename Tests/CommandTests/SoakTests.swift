import Foundation
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("Soak", .timeLimit(.minutes(5)))
struct SoakTests {
  private static let soak = ["--soak", "--sample-interval", "0.1", "--json"]

  private func series(_ report: JSON, _ measure: String) throws -> JSON {
    try #require(
      report["series"]?.arrayValue?.first { $0["measure"]?.stringValue == measure })
  }

  @Test("The process that listens at the target is sampled, and every series judged")
  func sampled() async throws {
    try await withTemporaryFolder { folder in
      _ = try await Command.withService(["oracle", "--port", "0", "--json"]) { oracle in
        let result = try await Command.run(
          ["load", "--target", try await oracle.url(), "--rate", "50", "--duration", "2"]
            + Self.soak + ["--report", folder.path, "--allowed-growth", "1000", "--allowed-drift"]
            + ["1000"])
        #expect(result.status == .exited(0), "\(result.errors)")
        let report = try result.json()
        #expect(report["schema"] == "petals-e2e/soak/1" && report["ok"] == true)
        let measures = (report["series"]?.arrayValue ?? []).compactMap {
          $0["measure"]?.stringValue
        }
        #if os(Linux)
          #expect(report["processes"]?.arrayValue?.count == 1)
          #expect(
            report["processes"]?.arrayValue?.first?["process"]
              == .integer(Int(oracle.processID)))
          #expect(measures == ["memory", "descriptors", "threads", "p50", "p99"])
          let points = try #require(try series(report, "memory")["points"]?.arrayValue)
          #expect(points.count >= 10)
          #expect(try #require(series(report, "memory")["level"]?.doubleValue) > 1)
        #else
          #expect(measures == ["p50", "p99"])
        #endif
        #expect(try series(report, "p99")["verdict"] == "not judged")
        #expect(try series(report, "p50")["verdict"] == "flat")
        let page = try String(contentsOfFile: folder.file("report.html"), encoding: .utf8)
        let bars = page.components(separatedBy: "data-line=").count - 1
        let all = (report["series"]?.arrayValue ?? []).reduce(0) {
          $0 + ($1["points"]?.arrayValue?.count ?? 0)
        }
        #expect(bars == all, "each point of a series is drawn")
        let units = try String(contentsOfFile: folder.file("junit.xml"), encoding: .utf8)
        // A case for each series that is judged, for the process and for the target.
        #expect(units.contains("petals-e2e soak\" tests=\"\(measures.count + 1)\" failures=\"0\""))
        let lines = try String(contentsOfFile: folder.file("requests.jsonl"), encoding: .utf8)
          .split(separator: "\n")
        #expect(lines.count == 100)
        try oracle.send(.terminate)
      }
    }
  }

  #if os(Linux)
    @Test("A service whose descriptors grow fails the soak, and is named")
    func leak() async throws {
      // Its lines tell of the requests that have come: the leak keeps in step with the load.
      try await withTemporaryFolder { folder in
        _ = try await Command.withService(["chain", "--port", "0", "--log", "calls"]) { chain in
          let line = try await chain.lines.next { $0.hasPrefix("listening on ") }
          let url = String(line.dropFirst("listening on ".count))
          let port = try #require(URL(string: url)?.port)
          let address = ServerAddress(host: "127.0.0.1", port: port)
          async let load = Command.run(
            ["load", "--target", url, "--rate", "100", "--duration", "3", "--report", folder.path]
              + Self.soak)
          var idle: [RawClient] = []
          for count in stride(from: 10, through: 280, by: 3) {
            _ = try await chain.lines.wait(forCount: count) {
              $0.contains("eth_sendRawTransaction")
            }
            idle.append(try await RawClient(address))
          }
          let result = try await load
          for client in idle { await client.close() }
          #expect(result.status == .exited(1))
          #expect(result.errors.contains("descriptors grows by"), "\(result.errors)")
          let report = try result.json()
          #expect(report["ok"] == false)
          #expect(try series(report, "descriptors")["verdict"] == "grows")
          let units = try String(contentsOfFile: folder.file("junit.xml"), encoding: .utf8)
          #expect(units.contains(#"descriptors does not grow" time="#), "\(units)")
          #expect(units.contains("<failure message=\"it grows by "), "\(units)")
          try chain.send(.terminate)
        }
      }
    }
  #endif

  @Test("A soak with fewer than ten samples to judge is refused")
  func tooShort() async throws {
    try await Command.run("load", "--target", "http://127.0.0.1:9", "--soak", "--duration", "20")
      .expectRefusal("--soak", "--sample-interval")
  }
}

@Suite("Sweep", .timeLimit(.minutes(5)))
struct SweepTests {
  @Test("Nodes, splits and sessions are gone over, each load with its figures and its marks")
  func sweep() async throws {
    try await withTemporaryFolder { folder in
      let result = try await Command.run(
        "load", "--model", ServiceTests.model, "--sweep", "nodes=1-2,splits=6/18,sessions=1-2",
        "--duration", "0.3", "--tokens", "4", "--report", folder.path, "--json")
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try result.json()
      #expect(report["schema"] == "petals-e2e/sweep/1")
      let rows = try #require(report["rows"]?.arrayValue)
      #expect(
        rows.map { $0["network"]?.stringValue } == ["24", "24", "12/12", "12/12", "6/18", "6/18"])
      #expect(rows.map { $0["sessions"] } == [1, 2, 1, 2, 1, 2])
      for row in rows {
        #expect(row["unit"] == "tokens a second")
        #expect((row["throughput"]?.doubleValue ?? 0) > 0)
        #expect(row["succeeded"] == row["sent"] && row["tpot_ms"]?["p50"] != nil)
      }
      // Two points make no curve.
      #expect(report["knees"]?.arrayValue?.allSatisfy { $0["sessions"] == .null } == true)
      let page = try String(contentsOfFile: folder.file("report.html"), encoding: .utf8)
      for row in rows {
        let throughput = try #require(row["throughput"]?.text)
        #expect(page.contains("data-y=\"\(throughput)\""), "\(throughput)")
      }
      let units = try String(contentsOfFile: folder.file("junit.xml"), encoding: .utf8)
      #expect(units.contains("petals-e2e sweep\" tests=\"6\" failures=\"0\""), "\(units)")
      #expect(units.contains(#"name="6/18, 2 sessions: every request succeeds""#), "\(units)")
    }
  }

  @Test("Sessions on a service that runs are gone over, and a split that does not fit is refused")
  func target() async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { chain in
      let result = try await Command.run(
        "load", "--target", try await chain.url(), "--sweep", "sessions=1,3", "--duration", "0.2",
        "--json")
      #expect(result.status == .exited(0), "\(result.errors)")
      let rows = try #require(try result.json()["rows"]?.arrayValue)
      #expect(rows.map { $0["sessions"] } == [1, 3])
      #expect(rows.allSatisfy { $0["unit"] == "requests a second" })
      try chain.send(.terminate)
    }
    try await Command.run("load", "--model", ServiceTests.model, "--sweep", "splits=6/6")
      .expectRefusal("splits=6/6", "12 blocks", "24")
    try await Command.run("load", "--sweep", "sessions=1-2").expectRefusal("--target")
    try await Command.run("load", "--model", "tiny", "--sweep", "nodes=1", "--soak")
      .expectRefusal("--sweep", "--soak")
  }
}
