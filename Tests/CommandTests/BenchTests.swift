import Foundation
import HTTPTypes
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import Testing
import petals_e2e

@Suite("petals-e2e bench", .timeLimit(.minutes(5)))
struct BenchTests {
  @Test("Figures come with the machine that they were taken on, and are figures")
  func fixtures() async throws {
    let result = try await Command.run(["bench", "--only", "fixtures", "--runs", "1", "--json"])
    #expect(result.status == .exited(0), "\(result.errors)")
    let report = try result.json()
    let rows = try #require(report["rows"]?.arrayValue)
    #expect(rows.count == 4)
    for row in rows {
      let median = try #require(row["median"]?.doubleValue)
      #expect(median > 0 && row["unit"]?.stringValue == "ms", "\(row.text)")
    }
    for field in ["processor", "kernels", "blas"] {
      #expect(report["machine"]?[field]?.stringValue?.isEmpty == false, "\(field)")
    }
  }

  @Test("A report has every figure with each run's value, and what makes it again")
  func report() async throws {
    try await withTemporaryFolder { folder in
      let result = try await Command.run([
        "bench", "--only", "evm", "--runs", "2", "--report", folder.path, "--json",
      ])
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try JSON.parse(Data(contentsOf: URL(filePath: folder.file("report.json"))))
      #expect(try result.json() == report && report["schema"] == "petals-e2e/bench/1")
      for row in try #require(report["rows"]?.arrayValue) {
        let values = (row["values"]?.arrayValue ?? []).compactMap(\.doubleValue)
        #expect(values.count == row["runs"]?.integerValue.map { Int($0) })
        #expect(values.first == row["least"]?.doubleValue)
        #expect(values.last == row["greatest"]?.doubleValue)
      }
      #expect(report["command"]?.arrayValue?.contains("--report") == true)
      let units = try String(contentsOfFile: folder.file("junit.xml"), encoding: .utf8)
      #expect(units.contains("petals-e2e bench\" tests=\"6\" failures=\"0\""), "\(units)")
      let same = try await Command.run("report", folder.path, folder.path)
      #expect(same.status == .exited(0) && same.output.contains("+0.0 %"), "\(same.output)")
    }
  }

  @Test(
    "The page of a report opens from disk, and its plots have the numbers of report.json",
    .enabled(if: Browser.isWanted, Browser.absence))
  func page() async throws {
    try await withTemporaryFolder { folder in
      let result = try await Command.run([
        "bench", "--only", "inference", "--model", "tiny", "--runs", "2", "--report", folder.path,
        "--json",
      ])
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try result.json()
      try await Browser.with { browser in
        try await browser.open("file://" + folder.file("report.html"))
        let medians = try await browser.run(
          """
          return [...document.querySelectorAll("rect[data-median]")].map((bar) => [bar.dataset.name,
            Number(bar.dataset.median), [...document.querySelectorAll("circle[data-value]")].filter(
              (dot) => dot.dataset.name === bar.dataset.name).map((dot) => Number(dot.dataset.value))]);
          """)
        // Figures of one unit stand together.
        func sorted(_ rows: [JSON]) -> [String] { rows.map(\.text).sorted() }
        let rows = (report["rows"]?.arrayValue ?? []).map { row -> JSON in
          [row["name"] ?? .null, row["median"] ?? .null, row["values"] ?? .null]
        }
        #expect(!rows.isEmpty && medians.arrayValue?.count == rows.count)
        let shown = (medians.arrayValue ?? []).map { row -> JSON in
          let values = (row[2]?.arrayValue ?? []).compactMap(\.doubleValue)
          return [
            row[0] ?? .null, .decimal(row[1]?.doubleValue ?? .nan, places: 3),
            .array(values.map { .decimal($0, places: 3) }),
          ]
        }
        #expect(sorted(shown) == sorted(rows))
        let points = try await browser.run(
          """
          return [...document.querySelectorAll("circle[data-throughput]")].map((point) => ({
            name: point.dataset.name, throughput: Number(point.dataset.throughput),
            latency_ms: Number(point.dataset.latency) }));
          """)
        let written = report["plots"]?["throughput"]?[0]?["points"]
        #expect(
          points.withPlainNumbers == written?.withPlainNumbers && written?.arrayValue?.count == 5)
        try await Page(browser: browser).keepPicture(
          of: Browser.Screen(width: 1440, height: 900, isDark: false), as: "bench")
        #expect(try await browser.consoleErrors() == [])
      }
    }
  }

  @Test("Beside a report stands a line for each generation that was timed")
  func requests() async throws {
    try await withTemporaryFolder { folder in
      let result = try await Command.run([
        "bench", "--only", "inference", "--model", "tiny", "--runs", "2", "--report", folder.path,
        "--json",
      ])
      #expect(result.status == .exited(0), "\(result.errors)")
      let names = Set((try result.json()["rows"]?.arrayValue ?? []).map { $0["name"] })
      let requests = try String(contentsOfFile: folder.file("requests.jsonl"), encoding: .utf8)
        .split(separator: "\n").map { try JSON.parse(String($0)) }
      #expect(requests.allSatisfy { names.contains($0["name"]) && $0["group"] == "inference" })
      #expect(requests.allSatisfy { $0["dtype"] == "F16" && ($0["run"] == 0 || $0["run"] == 1) })
      #expect(
        requests.allSatisfy {
          ($0["from_ms"]?.doubleValue ?? -1) >= 0 && ($0["milliseconds"]?.doubleValue ?? 0) > 0
        })
      let counts = Dictionary(grouping: requests) { $0["name"]?.stringValue ?? "" }
        .mapValues(\.count)
      // Of two runs: a prompt, a decoding, and as many at once as sessions.
      #expect(counts.values.sorted() == [2, 2, 2, 4, 8, 16, 32])
    }
  }

  @Test("Decoding is measured after a long prompt as well, where the model has room for it")
  func context() async throws {
    let arguments = [
      "bench", "--only", "inference", "--model", "tiny", "--runs", "1", "--json", "--quiet",
    ]
    let result = try await Command.run(arguments + ["--context", "300"])
    #expect(result.status == .exited(0), "\(result.errors)")
    let rows = try result.json()["rows"]?.arrayValue ?? []
    for name in ["prefill of 300", "decode after 300"] {
      let row = try #require(rows.first { $0["name"]?.stringValue?.hasSuffix(name) == true })
      #expect(row["median"]?.doubleValue.map { $0 > 0 } == true)
    }
    try await Command.run(arguments + ["--context", "2020"]).expectRefusal("--context 2020")
  }

  @Test("Keys and values are measured in each type that was asked for, and compared with the first")
  func caches() async throws {
    let arguments = ["bench", "--model", "tiny", "--runs", "1", "--json", "--quiet"]
    let result = try await Command.run(
      arguments + ["--only", "inference", "--cache", "f32", "--cache", "f16"])
    #expect(result.status == .exited(0), "\(result.errors)")
    let rows = try #require(try result.json()["rows"]?.arrayValue)
    let halves = rows.filter { $0["cache"]?.stringValue == "f16" }
    #expect(rows.filter { $0["cache"]?.stringValue == "f32" }.count < halves.count)
    let names = halves.compactMap { $0["name"]?.stringValue }
    #expect(names.contains("synthetic/tiny F16, f16 cache: decode"), "\(names)")
    let error = try #require(
      halves.first { $0["name"]?.stringValue?.hasSuffix("any logit from F16's, at most") == true })
    let percent = try #require(error["median"]?.doubleValue)
    #expect(percent > 0 && percent < 5, "\(error.text)")
    try await Command.run(arguments + ["--only", "evm", "--cache", "f16"])
      .expectRefusal("--cache is for inference")
    try await Command.run(
      arguments + ["--only", "inference", "--beside", "torch", "--cache", "f16"]
    ).expectRefusal("--beside", "leave out --cache")
  }

  @Test("Bytecode is measured without anything around it")
  func bytecode() async throws {
    let result = try await Command.run(["bench", "--only", "evm", "--runs", "1", "--json"])
    #expect(result.status == .exited(0), "\(result.errors)")
    let rows = try #require(try result.json()["rows"]?.arrayValue)
    #expect(rows.count == 6)
    for row in rows {
      let median = try #require(row["median"]?.doubleValue)
      #expect(median > 0 && row["unit"]?.stringValue?.hasSuffix("a second") == true, "\(row.text)")
    }
  }

  @Test("A model is measured in each type that was asked for, and compared with the first")
  func types() async throws {
    let result = try await Command.run([
      "bench", "--only", "inference", "--model", "tiny", "--dtype", "f32", "--dtype", "f16",
      "--dtype", "q8", "--dtype", "q4", "--runs", "1", "--json",
    ])
    #expect(result.status == .exited(0), "\(result.errors)")
    let rows = try #require(try result.json()["rows"]?.arrayValue)
    #expect(Set(rows.map { $0["dtype"]?.stringValue }) == ["F32", "F16", "Q8", "Q4"])
    let errors = rows.filter { $0["name"]?.stringValue?.contains("at most") == true }
    #expect(errors.map { $0["dtype"]?.stringValue } == ["F16", "Q8", "Q4"])
    let found = errors.compactMap { $0["median"]?.doubleValue }
    // Rounding to 16 bits is felt less than rounding to 8, and that less than rounding to 4.
    #expect(found.count == 3 && found[0] > 0 && found[0] < found[1] && found[1] < 25)
    #expect(found.last ?? 0 > found[1])
  }

  @Test("BLOOM_THREADS decides how many threads compute")
  func threads() async throws {
    let result = try await Command.run(
      ["bench", "--only", "fixtures", "--runs", "1", "--json"], with: ["BLOOM_THREADS": "3"])
    #expect(try result.json()["machine"]?["threads"]?.integerValue == 3)
  }

  #if os(Linux) && arch(x86_64)
    @Test("A core type that the user chose for OpenBLAS is left alone")
    func coreType() async throws {
      let result = try await Command.run(
        ["bench", "--only", "fixtures", "--runs", "1", "--json"],
        with: ["OPENBLAS_CORETYPE": "Nehalem"])
      let blas = try #require(try result.json()["machine"]?["blas"]?.stringValue)
      #expect(blas.contains("Nehalem"))
    }
  #endif

  /// A program that speaks as the peers of `--beside` do.
  private static func peer(_ script: String, in folder: URL) throws -> String {
    let path = folder.file("peer.sh")
    try "#!/bin/sh\n\(script)\n".write(toFile: path, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return path
  }

  private static func beside(_ python: String) async throws -> Command.Result {
    try await Command.run([
      "bench", "--only", "inference", "--model", "tiny", "--runs", "2", "--beside", "llama.cpp",
      "--python", python, "--json", "--quiet",
    ])
  }

  @Test("Other programs are measured in the same rounds, and ours is divided by theirs")
  func beside() async throws {
    try await withTemporaryFolder { folder in
      let peer = try Self.peer(
        """
        echo '{"ready": "peer 1"}'
        while read -r task; do echo '{"rate": 50}'; done
        """, in: folder)
      let result = try await Self.beside(peer)
      #expect(result.status == .exited(0), "\(result.errors)")
      let rows = try #require(try result.json()["rows"]?.arrayValue)
      func values(_ end: String) -> [[Double]] {
        rows.filter { $0["name"]?.stringValue?.hasSuffix(end) == true }.map { row in
          (row["values"]?.arrayValue ?? []).compactMap(\.doubleValue)
        }
      }
      #expect(rows.count == 9 && values(", peer 1") == [[50, 50], [50, 50], [50, 50]])
      let (ours, ratios) = (values(", petals-e2e"), values("÷ llama.cpp"))
      #expect(ours.count == 3 && ratios.count == 3)
      for (ours, ratios) in zip(ours, ratios) {
        #expect(ours.count == 2 && ratios.count == 2)
        for (own, ratio) in zip(ours, ratios) { #expect(abs(own / 50 - ratio) < 0.002) }
      }
    }
  }

  @Test("A program beside that cannot compute says why, and one that ends is a failure")
  func besideRefused() async throws {
    try await withTemporaryFolder { folder in
      let refusing = try Self.peer("echo '{\"refused\": \"it is not here\"}'", in: folder)
      try await Self.beside(refusing).expectRefusal("it is not here")
      let ending = try Self.peer("echo '{\"ready\": \"a\"}'; echo no luck >&2", in: folder)
      let result = try await Self.beside(ending)
      #expect(result.status == .exited(1) && result.errors.contains("no luck"), "\(result.errors)")
      try await Self.beside(folder.file("none")).expectRefusal("--python")
    }
  }

  @Test("What is measured beside ours has a name, and is inference")
  func besideNames() async throws {
    try await Command.run("bench", "--only", "inference", "--beside", "weather")
      .expectRefusal("--beside")
    try await Command.run("bench", "--only", "inference", "--beside", "torch,torch")
      .expectRefusal("--beside")
    try await Command.run("bench", "--beside", "torch").expectRefusal("--only inference")
  }

  @Test("No run at all is refused")
  func refusals() async throws {
    try await Command.run("bench", "--runs", "0").expectRefusal("--runs")
    try await Command.run("bench", "--only", "weather").expectRefusal("--only")
  }
}

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
    faults.add(.status(503), count: nil) { $0.body.count > 2 }
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

  @Test("A server that is no service of ours is refused; one that does not answer is a failure")
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

@Suite("Answers to a bench")
struct HTTPAnswerTests {
  private func read(_ length: String, body: String = "ab") throws -> RawHTTPResponse? {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: \(length)\r\n\r\n\(body)"
    return try Array(text.utf8).withUnsafeBytes { try RawHTTPResponse($0) }
  }

  @Test("An impossible Content-Length is refused, an incomplete body is waited for")
  func lengths() throws {
    #expect(try read("2")?.body == Array("ab".utf8))
    #expect(try read("2")?.status == 200)
    #expect(try read("3") == nil)
    for exponent in 25...256 {
      for length in PowersOfTwo.around(exponent) {
        let error = #expect(throws: (any Error).self) { try read(length) }
        #expect(error.map { "\($0)".contains("Content-Length") } == true, "\(length)")
      }
    }
  }
}
