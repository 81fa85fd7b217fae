import Foundation
import HTTPTypes
import MockServing
import PlumiseWire
import Subprocess
import Synchronization
import TestSupport
import Testing

/// How many requests are open, were open at most, and came in all.
private final class Counts: Sendable {
  private let state = Mutex((open: 0, most: 0, all: 0))

  var most: Int { state.withLock { $0.most } }
  var all: Int { state.withLock { $0.all } }

  func begin() {
    state.withLock { state in
      state.open += 1
      state.most = max(state.most, state.open)
      state.all += 1
    }
  }

  func end() { state.withLock { $0.open -= 1 } }
}

@Suite("Report of a load", .timeLimit(.minutes(5)))
struct LoadReportTests {
  private static let names = ["p50", "p75", "p90", "p95", "p99", "p99.9", "max"]
  private static let shares = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1]

  /// An oracle that takes every report.
  private static func withOracle(
    faults: FaultScript = FaultScript(), _ body: (String) async throws -> Void
  ) async throws {
    try await withWebServer(
      faults: faults,
      respond: { WebResponse(status: $0.path == "/api/v1/report" ? .ok : .notFound) }
    ) { try await body($0.url) }
  }

  private func lines(_ path: String) throws -> [JSON] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      .map { try JSON.parse(String($0)) }
  }

  @Test("Percentiles, counts and goodput are those of the file of requests")
  func percentiles() async throws {
    try await withTemporaryFolder { folder in
      try await Self.withOracle { url in
        let path = folder.file("requests.jsonl")
        let result = try await Command.run(
          "load", "--target", url, "--arrivals", "poisson", "--rate", "300", "--duration", "0.8",
          "--warm-up", "0.4", "--slo", "e2el=2", "--requests", path, "--json")
        #expect(result.status == .exited(0), "\(result.errors)")
        let report = try result.json()
        let requests = try lines(path)
        let counted = requests.filter { $0["counted"] == true }
        #expect(counted.count < requests.count && counted.allSatisfy { $0["ok"] == true })
        #expect(requests.allSatisfy { ($0["due_ms"]?.doubleValue ?? 0) < 1200 })
        #expect(
          requests.allSatisfy { request in
            (request["due_ms"]?.doubleValue ?? 0 >= 400) == (request["counted"] == true)
          })
        #expect(report["sent"]?.integerValue == Int64(counted.count))
        let times = counted.compactMap { $0["e2el_ms"]?.doubleValue }.sorted()
        for (name, share) in zip(Self.names, Self.shares) {
          let rank = max(1, Int((share * Double(times.count)).rounded(.up)))
          #expect(report["e2el_ms"]?[name]?.doubleValue == times[rank - 1], "\(name)")
        }
        #expect(report["latency_ms"] == report["e2el_ms"])
        let seconds = try #require(report["seconds"]?.doubleValue)
        let good = Double(times.count { $0 <= 2 }) / seconds
        let goodput = try #require(report["goodput_per_second"]?.doubleValue)
        #expect(abs(goodput - good) < 1)
      }
    }
  }

  @Test(
    "A service that stops for a second shows it in the percentiles of the requests that were due")
  func noOmission() async throws {
    let faults = FaultScript()
    faults.add(.delay(.seconds(1)), skip: 100) { $0.body.count > 2 }
    try await Self.withOracle(faults: faults) { url in
      // All requests go over one connection: while one is held, those that are due meanwhile wait.
      let result = try await Command.run(
        "load", "--target", url, "--rate", "200", "--duration", "2", "--connections", "1", "--json")
      #expect(result.status == .exited(0), "\(result.errors)")
      let times = try #require(try result.json()["e2el_ms"])
      #expect(try #require(times["p99"]?.doubleValue) > 900)
      // A client that waits for each answer would have one such request in 400.
      #expect(try #require(times["p75"]?.doubleValue) > 200)
    }
  }

  @Test("Each of so many users has one request at a time")
  func users() async throws {
    let counts = Counts()
    let ended = Journal<Int>()
    try await withWebServer(
      respond: { request in
        guard request.path == "/api/v1/report" else { return WebResponse(status: .notFound) }
        if request.body.count > 2 {
          counts.begin()
          // Others have their turn, so that requests of one user would overlap if they could.
          for _ in 0..<20 { await Task.yield() }
          counts.end()
          ended.record(1)
        }
        return WebResponse()
      }
    ) { address in
      let arguments = [
        "load", "--target", address.url, "--users", "3", "--duration", "600", "--json",
      ]
      let result = try await Command.withService(arguments) { load in
        try await ended.wait(forCount: 30)
        try load.send(.interrupt)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try JSON.parse(result.output)
      #expect(report["sent"]?.integerValue == Int64(counts.all))
      #expect(report["course"]?["loop"] == "closed")
    }
    #expect((1...3).contains(counts.most))
    #expect(counts.all >= 30)
  }

  @Test("Tokens that a node streams are measured one by one")
  func streamed() async throws {
    let node = [
      "node", "--model", ServiceTests.model, "--blocks", "0-23", "--port", "0", "--http-port", "0",
      "--json",
    ]
    try await withTemporaryFolder { folder in
      let prompts = try folder.write("prompts", Array("one\ntwo\n".utf8))
      let result = try await Command.withService(node) { service in
        let event = try await service.lines.next { $0.contains("node-http") }
        let url = try #require(try JSON.parse(event)["url"]?.stringValue)
        let path = folder.file("requests.jsonl")
        let load = try await Command.run(
          "load", "--target", url, "--users", "2", "--duration", "0.3", "--stream", "--tokens", "5",
          "--prompts", prompts, "--slo", "ttft=60000,tpot=60000,itl=60000", "--requests", path,
          "--json")
        #expect(load.status == .exited(0), "\(load.errors)")
        let report = try load.json()
        let requests = try lines(path)
        for request in requests {
          #expect(request["tokens"] == 5 && request["itl_ms"]?.arrayValue?.count == 4)
          let first = try #require(request["ttft_ms"]?.doubleValue)
          let last = try #require(request["e2el_ms"]?.doubleValue)
          #expect(first > 0 && first <= last)
        }
        #expect(report["itl_ms"]?["count"]?.integerValue == Int64(4 * requests.count))
        #expect(report["ttft_ms"]?["count"]?.integerValue == Int64(requests.count))
        #expect(report["goodput_per_second"] == report["per_second"])
        try service.send(.terminate)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
    }
  }

  @Test("Courses that contradict each other, and files that cannot be used, are refused")
  func refusals() async throws {
    let load = ["load", "--target", "http://127.0.0.1:9"]
    func refuse(_ more: String..., words: String) async throws {
      try await Command.run(load + more).expectRefusal(words)
    }
    try await refuse("--users", "2", "--arrivals", "poisson", words: "--users")
    try await refuse("--stages", "10:1", "--warm-up", "1", words: "--warm-up")
    try await refuse("--slo", "ttft", words: "NAME=MILLISECONDS")
    try await refuse("--requests", "/nowhere/requests", words: "/nowhere/requests")
  }

  @Test("Beside the report is a line for each request, in it each fault that was on meanwhile")
  func faults() async throws {
    try await withTemporaryFolder { folder in
      let arguments = [
        "load", "--network", "agents", "--model", "tiny", "--rate", "40", "--duration", "600",
        "--mix", "chain=1,oracle=3", "--watch", "--page-port", "0", "--report", folder.path,
        "--json",
      ]
      let result = try await Command.withService(arguments) { service in
        let line = try await service.lines.next { $0.contains(#""service":"page""#) }
        let url = try #require(try JSON.parse(line)["url"]?.stringValue)
        // Of a method that nobody calls: it is on, and no request fails by it.
        let fault: JSON = ["fault": "error", "code": -5, "message": "<b>", "method": "eth_syncing"]
        let order = try await fetch(
          "\(url)/orders/faults/chain", "POST", body: fault.serialized(),
          contentType: "application/json")
        #expect(order.status == 200, "\(order.text)")
        let port = try #require(URL(string: url)?.port)
        try await RawClient.connected(to: ServerAddress(host: "127.0.0.1", port: port)) { events in
          try await events.send("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
          // Requests of the load have ended.
          _ = try await events.received.next { $0.contains(/"load":{"ended":[1-9]/) }
        }
        try service.send(.interrupt)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try JSON.parse(Data(contentsOf: URL(filePath: folder.file("report.json"))))
      let requests = try lines(folder.file("requests.jsonl"))
      #expect(report["sent"]?.integerValue == Int64(requests.count) && !requests.isEmpty)
      let faults = try #require(report["faults"]?.arrayValue)
      #expect(faults.map { $0["part"]?.stringValue } == ["chain"])
      #expect(faults.first?["fault"]?.stringValue?.contains("eth_syncing") == true)
      #expect(faults.first?["to_ms"] == .null, "nobody took it back")
      let points = try #require(report["plots"]?["requests"]?.arrayValue)
      #expect(
        points.compactMap { $0["time_ms"]?.doubleValue }
          == requests.compactMap { $0["due_ms"]?.doubleValue }.sorted())
      let page = try String(contentsOfFile: folder.file("report.html"), encoding: .utf8)
      #expect(page.contains(#"<rect class="band""#) && page.contains("Faults that were on"))
      #expect(!page.contains("<b>"))
    }
  }

  @Test(
    "The page of a report opens from disk, and its plots have the numbers of report.json",
    .enabled(if: Browser.isWanted, Browser.absence))
  func page() async throws {
    try await withTemporaryFolder { folder in
      try await Self.withOracle { url in
        let result = try await Command.run(
          "load", "--target", url, "--rate", "200", "--duration", "1.5", "--report", folder.path,
          "--json")
        #expect(result.status == .exited(0), "\(result.errors)")
      }
      let report = try JSON.parse(Data(contentsOf: URL(filePath: folder.file("report.json"))))
      let units = try String(contentsOfFile: folder.file("junit.xml"), encoding: .utf8)
      #expect(units.contains("petals-e2e load\" tests=\"1\" failures=\"0\""), "\(units)")
      try await Browser.with { browser in
        try await browser.open("file://" + folder.file("report.html"))
        let page = ReportOnDisk(browser: browser)
        try await page.checkDistribution("e2el", report)
        try await page.checkPercentiles("e2el", Self.names, report)
        let seconds = try await browser.run(
          """
          return [...document.querySelectorAll("rect[data-succeeded]")].map((bar) =>
            [Number(bar.dataset.second), Number(bar.dataset.succeeded)]);
          """)
        let series = (report["series"]?.arrayValue ?? []).map { second -> JSON in
          [second["second"] ?? .null, second["succeeded"] ?? .null]
        }
        #expect(seconds == .array(series) && !series.isEmpty)
        let operations = try await browser.run(
          """
          return [...document.querySelectorAll("circle[data-throughput]")].map((point) =>
            [Number(point.dataset.throughput), Number(point.dataset.latency)]);
          """)
        let pairs = (report["series"]?.arrayValue ?? []).compactMap { second -> JSON? in
          second["p50_ms"].flatMap { $0 == .null ? nil : [second["succeeded"] ?? .null, $0] }
        }
        let expected = JSON.array(pairs).withPlainNumbers
        #expect(operations.withPlainNumbers == expected && !pairs.isEmpty, "\(operations.text)")
        let moments = try await browser.run(
          """
          return [...document.querySelectorAll("circle[data-milliseconds]")].map((point) => ({
            time_ms: Number(point.dataset.time), milliseconds: Number(point.dataset.milliseconds),
            ok: point.dataset.ok === "true" }));
          """)
        let drawn = try #require(report["plots"]?["requests"])
        #expect(moments.withPlainNumbers == drawn.withPlainNumbers)
        #expect(drawn.arrayValue?.count == 300)
        let screen = Browser.Screen(width: 1440, height: 900, isDark: false)
        try await browser.show(on: screen)
        try await Page(browser: browser).keepPicture(of: screen, as: "report")
        #expect(try await browser.consoleErrors() == [])
      }
    }
  }
}

@Suite("Reports side by side", .timeLimit(.minutes(5)))
struct ReportCommandTests {
  /// A load's report of four seconds with these requests in each, and this median.
  private func report(_ succeeded: [Int], p50: Double) -> JSON {
    [
      "schema": "petals-e2e/load/1",
      "per_second": .number(JSONNumber(python: Double(succeeded.reduce(0, +)) / 4)),
      "e2el_ms": ["p50": .number(JSONNumber(python: p50))],
      "series": .array(
        succeeded.enumerated().map { index, count in
          ["second": .integer(index), "succeeded": .integer(count), "p50_ms": .integer(count)]
        }),
    ]
  }

  private func numbers(_ json: JSON?) -> [Double] {
    (json?.arrayValue ?? []).compactMap(\.doubleValue)
  }

  private func write(_ report: JSON, _ name: String, in folder: URL) throws -> String {
    let own = folder.appending(path: name)
    try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
    try own.write("report.json", report.serialized())
    return own.path
  }

  @Test("Each figure has its change against the first report, and the spread of both")
  func changes() async throws {
    try await withTemporaryFolder { folder in
      let before = try write(report([90, 100, 100, 110], p50: 10), "before", in: folder)
      let after = try write(report([190, 200, 200, 210], p50: 5), "after", in: folder)
      let result = try await Command.run("report", before, after, "--json")
      #expect(result.status == .exited(0), "\(result.errors)")
      let figures = try #require(try result.json()["figures"]?.arrayValue)
      let rate = try #require(figures.first { $0["name"] == "requests a second" })
      #expect(numbers(rate["values"]) == [100, 200] && numbers(rate["changes"]) == [1])
      // Of four values the quartiles are the first and the third: 90 and 100, 190 and 200.
      #expect(numbers(rate["spreads"]) == [0.1])
      let median = try #require(figures.first { $0["name"] == "e2el p50 ms" })
      #expect(numbers(median["changes"]) == [-0.5])
      let text = try await Command.run("report", before, after)
      #expect(text.output.contains("200  +100.0 % ± 10.0 %"), "\(text.output)")
      let same = try await Command.run("report", before, before)
      #expect(same.output.contains("(+0.0 % ± 10.0 %)"), "\(same.output)")
    }
  }

  @Test("Of a benchmark each figure is compared, with the spread of its runs")
  func benchmarks() async throws {
    func bench(_ values: [Double]) -> JSON {
      [
        "schema": "petals-e2e/bench/1",
        "rows": [
          [
            "group": "chain", "name": "blocks", "unit": "ms",
            "median": .number(JSONNumber(python: values[values.count / 2])),
            "values": .array(values.map { .number(JSONNumber(python: $0)) }),
          ]
        ],
      ]
    }
    try await withTemporaryFolder { folder in
      let before = try write(bench([8, 9, 10, 11, 12]), "before", in: folder)
      let after = try write(bench([18, 19, 20, 21, 22]), "after", in: folder)
      let result = try await Command.run("report", before, after, "--json")
      #expect(result.status == .exited(0), "\(result.errors)")
      let figure = try #require(try result.json()["figures"]?[0])
      #expect(figure["name"] == "chain: blocks, ms")
      #expect(numbers(figure["values"]) == [10, 20] && numbers(figure["changes"]) == [1])
      #expect(numbers(figure["spreads"]) == [0.2])
    }
  }

  @Test("Soaks are compared by levels and changes in an hour, sweeps load by load")
  func soaksAndSweeps() async throws {
    func soak(_ level: Int, _ slope: Int) -> JSON {
      [
        "schema": "petals-e2e/soak/1",
        "series": [
          [
            "subject": "oracle", "measure": "memory", "unit": "MiB", "level": .integer(level),
            "slope_per_hour": .integer(slope), "slope_per_hour_low": .integer(slope - 1),
            "slope_per_hour_high": .integer(slope + 1),
          ]
        ],
      ]
    }
    func sweep(_ throughput: Int) -> JSON {
      [
        "schema": "petals-e2e/sweep/1",
        "rows": [
          [
            "network": "12/12", "sessions": 4, "throughput": .integer(throughput),
            "unit": "tokens a second", "e2el_ms": ["p50": 8, "p99": .null],
          ]
        ],
      ]
    }
    try await withTemporaryFolder { folder in
      let soaks = try await Command.run(
        "report", try write(soak(10, 4), "a", in: folder), try write(soak(11, 2), "b", in: folder),
        "--json")
      #expect(soaks.status == .exited(0), "\(soaks.errors)")
      let figures = try #require(try soaks.json()["figures"]?.arrayValue)
      #expect(
        figures.map { $0["name"] } == ["oracle: memory, MiB", "oracle: memory an hour, MiB"])
      #expect(numbers(figures[0]["values"]) == [10, 11])
      #expect(numbers(figures[1]["values"]) == [4, 2])
      #expect(numbers(figures[1]["changes"]) == [-0.5] && numbers(figures[1]["spreads"]) == [0.5])
      let sweeps = try await Command.run(
        "report", try write(sweep(100), "c", in: folder), try write(sweep(150), "d", in: folder),
        "--json")
      let rows = try #require(try sweeps.json()["figures"]?.arrayValue)
      #expect(
        rows.map { $0["name"] } == [
          "12/12, 4 sessions: tokens a second", "12/12, 4 sessions: e2el p50 ms",
        ])
      #expect(numbers(rows[0]["changes"]) == [0.5])
    }
  }

  @Test("One folder, one without a report, and reports of two kinds are refused")
  func refusals() async throws {
    try await withTemporaryFolder { folder in
      let load = try write(report([1, 1, 1, 1], p50: 1), "load", in: folder)
      let run = try write(["schema": "petals-e2e/run/1", "seconds": 1], "run", in: folder)
      let other = try write(["schema": "x/1"], "other", in: folder)
      let broken = try write("text", "broken", in: folder)
      try await Command.run("report", load).expectRefusal("two folders")
      try await Command.run("report", load, folder.path).expectRefusal(
        "report.json", "No such file")
      try await Command.run("report", load, run).expectRefusal("petals-e2e/run/1", "one kind")
      try await Command.run("report", load, other).expectRefusal("x/1", "petals-e2e/load/1")
      try await Command.run("report", load, broken).expectRefusal("of no name")
      let cut = folder.appending(path: "cut")
      try FileManager.default.createDirectory(at: cut, withIntermediateDirectories: true)
      try cut.write("report.json", Array(#"{"schema":"petals-e2e/load/1","per_se"#.utf8))
      try await Command.run("report", load, cut.path).expectRefusal(
        "report.json is no JSON", "the text ends inside a value at byte")
      let later = try write(["schema": "petals-e2e/load/2", "per_second": 1], "later", in: folder)
      try await Command.run("report", later, load).expectRefusal(
        "petals-e2e/load/2", "petals-e2e/load/1")
      let empty = try write(["schema": "petals-e2e/load/1", "series": 7], "empty", in: folder)
      try await Command.run("report", load, empty).expectRefusal("without a figure")
    }
  }
}
