import Foundation
import HTTPTypes
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("Results of loads", .timeLimit(.minutes(5)))
struct LoadResultTests {
  /// An oracle that answers every report with a status.
  private static func withOracle(
    _ status: HTTPResponse.Status = .ok, _ body: (String) async throws -> Void
  ) async throws {
    try await withWebServer(respond: { request in
      guard request.path == "/api/v1/report" else { return WebResponse(status: .notFound) }
      return WebResponse(status: request.body.count > 2 ? status : .ok)
    }) { try await body($0.url) }
  }

  @Test("A load whose requests fail is a failure in junit.xml and on its page")
  func load() async throws {
    try await withTemporaryFolder { folder in
      try await Self.withOracle(.serviceUnavailable) { url in
        let result = try await Command.run(
          "load", "--target", url, "--users", "1", "--duration", "0.2", "--report", folder.path)
        #expect(result.status == .exited(1), "\(result.errors)")
        let units = try UnitResults(in: folder)
        #expect(units.names == ["every request succeeds"])
        #expect(units.messages.first?.contains("status 503") == true, "\(units.messages)")
        #expect(try folder.reportPage().contains(#"<header class="failed">"#))
      }
    }
  }

  @Test("A load that is ended in its warm-up is a failure everywhere")
  func warmUp() async throws {
    try await withTemporaryFolder { folder in
      let came = Journal<Int>()
      try await withWebServer(respond: { request in
        guard request.path == "/api/v1/report" else { return WebResponse(status: .notFound) }
        if request.body.count > 2 { came.record(1) }
        return WebResponse()
      }) { address in
        let result = try await Command.withService([
          "load", "--target", address.url, "--users", "1", "--warm-up", "3000", "--duration", "600",
          "--report", folder.path, "--json",
        ]) { load in
          _ = try await came.next()
          try load.send(.interrupt)
        }
        #expect(result.status == .exited(1), "\(result.errors)")
        #expect(result.errors.contains("after the warm-up"), "\(result.errors)")
        #expect(try JSON.parse(result.output)["sent"] == 0)
      }
      let units = try UnitResults(in: folder)
      #expect(units.tests == 1 && units.messages.first?.contains("after the warm-up") == true)
      #expect(try folder.reportPage().contains(#"<header class="failed">"#))
    }
  }

  @Test("Everything that a soak judges is a case, and each of its reasons a failure")
  func soak() async throws {
    try await withTemporaryFolder { folder in
      try await Self.withOracle(.serviceUnavailable) { url in
        let result = try await Command.run(
          "load", "--target", url, "--rate", "50", "--soak", "--sample-interval", "0.1",
          "--duration", "1.5", "--report", folder.path, "--json")
        #expect(result.status == .exited(1), "\(result.errors)")
        let report = try result.json()
        func items(_ name: String) -> [JSON] { report[name]?.arrayValue ?? [] }
        let judged = items("series").filter { $0["verdict"] != "not judged" }
        let units = try UnitResults(in: folder)
        #expect(units.tests == judged.count + items("processes").count + 1, "\(units.names)")
        for series in judged {
          let subject = "\(series["subject"]?.stringValue ?? "")"
          let name = "\(subject): \(series["measure"]?.stringValue ?? "") does not grow"
          #expect(units.names.contains(name), "\(units.names)")
        }
        #expect(units.failures == items("reasons").count && units.failures != 0)
        #expect(units.messages.contains { $0.hasSuffix("requests to \(url) failed") })
        #expect(try folder.reportPage().contains(#"<header class="failed">"#))
      }
    }
  }

  @Test("Each load of a sweep is a case, a failure where its requests fail")
  func sweep() async throws {
    for (status, failures) in [(HTTPResponse.Status.ok, 0), (.serviceUnavailable, 2)] {
      try await withTemporaryFolder { folder in
        try await Self.withOracle(status) { url in
          let result = try await Command.run(
            "load", "--target", url, "--sweep", "sessions=1-2", "--duration", "0.2", "--report",
            folder.path)
          #expect(result.status == .exited(failures == 0 ? 0 : 1), "\(result.errors)")
          let units = try UnitResults(in: folder)
          #expect(
            units.names == (1...2).map { "\(url), \($0) sessions: every request succeeds" })
          #expect(units.failures == failures)
          #expect(units.messages.allSatisfy { $0.contains("status 503") }, "\(units.messages)")
          let page = try folder.reportPage()
          #expect(page.contains(#"<header class="failed">"#) == (failures > 0))
          #expect(page.contains("<h2>Plots</h2>"))
        }
      }
    }
  }

  @Test("A sweep that ends early reports the loads that are done")
  func early() async throws {
    try await withTemporaryFolder { folder in
      try await Self.withOracle { url in
        // Nothing answers at the second target.
        let result = try await Command.run(
          "load", "--target", url, "--target", "http://127.0.0.1:9", "--sweep", "sessions=1-2",
          "--duration", "0.2", "--report", folder.path, "--json")
        #expect(result.status == .exited(1), "\(result.errors)")
        #expect(result.errors.contains("http://127.0.0.1:9 does not answer"), "\(result.errors)")
        let report = try result.json()
        #expect(report["rows"]?.arrayValue?.map { $0["network"] } == [.string(url), .string(url)])
        #expect(report["failure"]?.stringValue?.contains("does not answer") == true)
        #expect(try folder.reportJSON() == report)
        let units = try UnitResults(in: folder)
        #expect(units.names.last == "every load is done" && units.tests == 3)
        #expect(units.failures == 1)
        let page = try folder.reportPage()
        #expect(page.contains(#"<header class="failed">"#) && page.contains("does not answer"))
      }
    }
  }

  @Test("A sweep without a load that is done has its failure alone")
  func nothing() async throws {
    let result = try await Command.run(
      "load", "--target", "http://127.0.0.1:9", "--sweep", "sessions=1", "--json")
    #expect(result.status == .exited(1) && result.output.isEmpty)
    #expect(result.errors.contains("does not answer"), "\(result.errors)")
  }

  #if os(Linux)
    @Test("A file of requests that cannot be written loses nothing else", arguments: [false, true])
    func fullDisk(_ isSoak: Bool) async throws {
      try await withTemporaryFolder { folder in
        try await Self.withOracle { url in
          let soak = [
            "--soak", "--sample-interval", "0.1", "--allowed-growth", "1000", "--allowed-drift",
            "1000",
          ]
          let result = try await Command.run(
            ["load", "--target", url, "--rate", "50", "--duration", "1.5", "--requests"]
              + ["/dev/full", "--report", folder.path, "--json"] + (isSoak ? soak : []))
          #expect(result.status == .exited(1), "\(result.errors)")
          #expect(result.errors.contains("/dev/full: No space left"), "\(result.errors)")
          let report = try result.json()
          #expect(report["schema"] == (isSoak ? "petals-e2e/soak/1" : "petals-e2e/load/1"))
          #expect(try folder.reportJSON() == report)
          let units = try UnitResults(in: folder)
          #expect(units.failures == 0, "\(units.messages)")
          #expect(try folder.reportPage().contains("<h1>"))
        }
      }
    }
  #endif

  @Test("A report that cannot be written loses nothing that is printed")
  func lostFolder() async throws {
    try await withTemporaryFolder { folder in
      let reports = folder.appending(path: "reports")
      let came = Journal<Int>()
      try await withWebServer(respond: { request in
        guard request.path == "/api/v1/report" else { return WebResponse(status: .notFound) }
        if request.body.count > 2 { came.record(1) }
        return WebResponse()
      }) { address in
        let result = try await Command.withService([
          "load", "--target", address.url, "--users", "1", "--duration", "3600", "--report",
          reports.path, "--json",
        ]) { load in
          _ = try await came.next()
          try FileManager.default.removeItem(at: reports)
          try load.send(.interrupt)
        }
        #expect(result.status == .exited(1))
        #expect(result.errors.contains("cannot write the report"), "\(result.errors)")
        #expect(try JSON.parse(result.output)["failures"] == [])
      }
    }
  }
}
